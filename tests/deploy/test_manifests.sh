#!/bin/sh
# The manifests of deploy/ keep their schemas and belong together, and each rule finds what breaks it; the
# configuration in them is taken by troved and its memory bill fits the limits.
set -u
rules=$PWD/tests/deploy/manifests.py
bin=${TROVE_BUILD:?tests/run sets it}/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/trove-test.XXXXXX") || exit 70
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok $1"; }

if "$rules" deploy/kubernetes deploy/compose.yaml >"$work/out"; then ok 'manifests'; else
	not_ok "manifests: $(cat "$work/out")"
fi

# breaks WHAT_IS_SAID FILE SED_SCRIPT: deploy/ with this file changed by sed is found fault with for this.
breaks() {
	rm -rf "$work/deploy"
	mkdir "$work/deploy"
	cp -r deploy/kubernetes deploy/compose.yaml "$work/deploy/"
	sed -E "$3" "deploy/$2" >"$work/deploy/$2"
	if cmp -s "deploy/$2" "$work/deploy/$2"; then not_ok "$1: nothing was changed by $3"; return; fi
	if "$rules" "$work/deploy/kubernetes" "$work/deploy/compose.yaml" >"$work/out" 2>&1; then
		not_ok "$1: was not found"
		return
	fi
	if grep -qF -- "$1" "$work/out"; then ok "$1"; else not_ok "$1: instead: $(cat "$work/out")"; fi
}
base=kubernetes/base
breaks 'no such field' $base/deployment.yaml 's/periodSeconds: 10/periodSecond: 10/'
breaks 'expected an integer' $base/deployment.yaml 's/containerPort: 4700/containerPort: "4700"/'
breaks 'no schema of apps/v1beta1' $base/deployment.yaml 's#apps/v1#apps/v1beta1#'
breaks 'tag that is not latest' $base/deployment.yaml 's/trove:dev/trove:latest/'
breaks 'tag that is not latest' $base/deployment.yaml 's/image: trove:dev/image: trove/'
breaks 'restricted profile' $base/deployment.yaml 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/'
breaks 'restricted profile' $base/deployment.yaml 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/'
breaks 'all are dropped' $base/deployment.yaml 's/drop: \["ALL"\]/drop: ["NET_RAW"]/'
breaks 'expected an integer from 1' $base/deployment.yaml 's/runAsUser: 10001/runAsUser: 0/'
breaks 'runAsNonRoot is true' $base/deployment.yaml 's/runAsNonRoot: true/runAsNonRoot: false/'
breaks 'seccompProfile: is missing' $base/deployment.yaml '/seccompProfile|RuntimeDefault/d'
breaks 'neither tokens nor variables' $base/deployment.yaml 's/enableServiceLinks: false/enableServiceLinks: true/'
breaks 'does not choose the pods' $base/deployment.yaml '/matchLabels:/{n;s/shop/other/}'
breaks 'no port of the container is called' $base/deployment.yaml 's/port: observe/port: metrics/'
breaks 'lifecycle: is missing' $base/deployment.yaml '/lifecycle:/,/command: ..trovectl/d'
breaks 'nothing mounts' $base/deployment.yaml 's/^        - name: trove-socket$/        - name: trove-sockets/'
breaks 'no volume of the pod' $base/deployment.yaml 's/^        - name: trove-socket$/        - name: trove-sockets/'
breaks 'is there twice' $base/deployment.yaml 's/- name: shop$/- name: trove/'
breaks 'no ConfigMap' $base/deployment.yaml 's/^            name: trove$/            name: other/'
breaks 'is not in ConfigMap' $base/deployment.yaml 's#trove-config/sidecar.yaml#trove-config/other.yaml#'
breaks 'asked for and limited by the same amount' $base/deployment.yaml '/requests/,/limits/s/memory: 512Mi/memory: 256Mi/'
breaks 'more cpu is asked for' $base/deployment.yaml 's/cpu: 500m/cpu: 3/'
breaks 'which is longer' $base/deployment.yaml 's/terminationGracePeriodSeconds: 30/terminationGracePeriodSeconds: 15/'
breaks 'only an init container' \
	$base/deployment.yaml 's/^        - name: shop$/        - name: shop\n          restartPolicy: Always/'
breaks 'Service trove: the pods it chooses have no port' \
	$base/service.yaml 's/targetPort: 4702/targetPort: 4799/'
breaks 'Service trove: its selector chooses no pod' $base/service.yaml 's/name: shop/name: other/'
breaks 'NetworkPolicy trove: the pods it chooses have no port' \
	$base/networkpolicy.yaml 's/port: 9090/port: 9999/'
breaks 'PodMonitor trove: the pods it chooses have no port' $base/podmonitor.yaml 's/port: observe/port: metrics/'
breaks 'relabelings: is missing' $base/podmonitor.yaml '/relabelings:|targetLabel|replacement/d'
breaks 'expected one of trove' $base/podmonitor.yaml 's/replacement: trove/replacement: troves/'
breaks 'expected a duration' $base/podmonitor.yaml 's/interval: 15s/interval: 15/'
breaks 'there is no other.yaml' $base/kustomization.yaml 's/service.yaml/other.yaml/'
breaks 'expected a quantity' kubernetes/overlays/durable/claim.yaml 's/16Gi/16GiB/'
breaks 'expected one of ReadWriteOnce' kubernetes/overlays/durable/claim.yaml 's/ReadWriteOncePod/ReadWrite/'
breaks 'read_only, cap_drop ALL' compose.yaml 's/read_only: true/read_only: false/'
breaks 'numeric user that is not root' compose.yaml 's/user: "10001:10001"/user: "0"/'
breaks 'mem_limit: is missing' compose.yaml '/mem_limit/d'
breaks 'expected ADDRESS:PORT:PORT' compose.yaml 's/127.0.0.1:9090:9090/9090:9090/'
breaks 'is not below volumes' compose.yaml 's/- trove-socket:/- trove-sockets:/'
breaks 'there is no service other' compose.yaml 's/service:trove/service:other/'
breaks 'there is no service other' compose.yaml 's/^      trove:$/      other:/'

# ---- the configuration in them -----------------------------------------------------------------------
awk 'found { sub(/^    /, ""); print } /sidecar.yaml: \|/ { found = 1 }' \
	deploy/kubernetes/base/configmap.yaml >"$work/sidecar.yaml"
if cmp -s config/sidecar.yaml "$work/sidecar.yaml"; then ok 'configmap.yaml is config/sidecar.yaml'; else
	not_ok "configmap.yaml is config/sidecar.yaml: $(diff config/sidecar.yaml "$work/sidecar.yaml" | head -n 5)"
fi
# fits WHAT BYTES ASSIGNMENT...: troved takes the configuration, and its bill is at most so large.
fits() {
	what=$1 limit=$2
	shift 2
	if "$bin/troved" --config "$work/sidecar.yaml" --set data.directory="$work/data" --set "memory.limit_bytes=$limit" "$@" \
		--check >"$work/out" 2>&1; then ok "$what"; else not_ok "$what: $(tail -n 1 "$work/out")"; fi
}
limit=$(awk '/memory: 512Mi/ { n++ } END { print (n == 2) * 536870912 }' deploy/kubernetes/base/deployment.yaml)
# Beside troved there are the tools that run in the container, and pages of the journal.
fits 'the bill is below the limit of Kubernetes' $((limit - (32 << 20)))
limit=$(sed -n 's/.*mem_limit: \([0-9]*\)m/\1/p' deploy/compose.yaml | sort -n | tail -n 1)
fits 'the bill is below the limit of compose' $((limit - 32 << 20))
"$bin/troved" --config "$work/sidecar.yaml" --set memory.limit_bytes=$((300 << 20)) --check >"$work/out" 2>&1
if grep -qF 'above the limit' "$work/out"; then ok 'and not below 300 MiB'; else not_ok 'and not below 300 MiB'; fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
