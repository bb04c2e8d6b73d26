#!/bin/sh
# A capacity that is less than what the journal needs: the start says which option, with the code for configuration.
set -u
. tests/support/service.sh
ctl=$bin/trovectl

# refused OPTION: a start with room for only four ends, and changes nothing.
refused() {
	: >"$work/log"
	run 78 "$1 lowered: exit code" timeout 120 "$bin/troved" --set data.directory="$work/data" --set events.reply="$ipc" \
		--set observe.listen="127.0.0.1:$((port + 9))" --set "$1=4"
	holds "$1 lowered: it is named" "$1 is too small" "$work/err"
}
service_start --set data.snapshot_bytes=1073741824
awk 'BEGIN { for (i = 1; i <= 40; i++) {
	printf "[{\"type\":\"reward.put\",\"id\":1%03d,\"reward\":%d,\"x\":1,\"y\":1,\"radius\":50},", i, i
	printf "{\"type\":\"cart.open\",\"id\":2%03d,\"cart\":%d,\"currency\":\"EUR\"},", i, i
	printf "{\"type\":\"product.put\",\"id\":5%03d,\"sku\":\"s%d\",\"unit_price\":9,\"currency\":\"EUR\"},", i, i
	printf "{\"type\":\"cart.add\",\"id\":6%03d,\"cart\":%d,\"sku\":\"s%d\"},", i, i, i
	printf "{\"type\":\"payment.authorize\",\"id\":3%03d,\"payment\":%d,\"amount\":9,\"currency\":\"EUR\"},", i, i
	printf "{\"type\":\"claim\",\"id\":4%03d,\"reward\":%d,\"actor\":%d,\"x\":1,\"y\":1}]\n", i, i, i } }' |
	timeout 60 "$ctl" send --in-flight 1 >"$work/replies" 2>>"$work/err"
service_stop KILL
refused carts.capacity
refused carts.extents
refused products.capacity
refused payments.capacity
refused claims.capacity
service_start --set data.snapshot_bytes=1073741824
"$ctl" send '{"type":"cart.get","cart":40}' >"$work/out"
holds 'as before: all is there' '"state":"open"' "$work/out"
service_stop
finish
