/*
 * The dashboard: asks /stats and /latency every two seconds, or as often as its address says, one after another (a service
 * makes few pages at once), and writes what changed into the page. Rates are differences of counters over the service's own
 * time between two answers. Nothing is drawn from an answer that failed: then the page says since when its figures are old.
 */
"use strict";
(() => {
/* "/?every=500" looks twice a second. */
const asked = Number(new URLSearchParams(location.search).get("every"));
const INTERVAL_MS = asked >= 250 && asked <= 60000 ? asked : 2000;
const TIMEOUT_MS = 5000, HISTORY_MS = 300000;
const PERCENTILES = [50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99];
const STAGES = ["decode", "queue", "plan", "journal", "send", "whole"];
const RUNGS = {
	requested: "in use in pools, arenas, snapshots and buffers; alive in the heap",
	reserved: "held ready beyond that: free objects, room in arenas",
	committed: "the heap's pages beyond its live blocks",
	untouched: "of the reserved: not in memory; never touched, or given back",
	program: "code and data of the program and its libraries",
	stacks: "stacks of threads",
	files: "other files that are mapped",
	unexplained: "what no other rung accounts for",
};
const $ = (id) => document.getElementById(id);
let paused = false, timer = 0, turn = 0, before = null, lastGood = 0, started = 0;
let history = [];

/* ---- numbers --------------------------------------------------------------------------------- */

function digits(value) {
	const size = Math.abs(value);
	const text = value.toLocaleString("en-US", { maximumFractionDigits: size < 10 ? 2 : size < 100 ? 1 : 0 });
	return text.replace("-", "\u2212");
}

function scaled(value, step, units) {
	let i = 0;
	for (; Math.abs(value) >= step && i < units.length - 1; i++)
		value /= step;
	return digits(value) + units[i];
}

const count = (n) => n < 1e6 ? digits(Math.round(n)) : scaled(n, 1000, ["", " k", " M", " G", " T"]);
const rate = (n) => n === null ? "–" : scaled(n, 1000, ["/s", " k/s", " M/s", " G/s"]);
const bytes = (n) => scaled(n, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
const time = (us) => us === undefined ? "–" : us < 1 ? digits(us * 1000) + " ns" : scaled(us, 1000, [" µs", " ms", " s"]);

function span(seconds) {
	const s = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
	const clock = `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
	return s >= 86400 ? `${Math.floor(s / 86400)} d ${clock}` : clock;
}

/* ---- writing without flicker: what is the same is left alone ---------------------------------- */

function write(node, text, value) {
	if (typeof node === "string")
		node = $(node);
	if (node.textContent !== text)
		node.textContent = text;
	if (value !== undefined)
		node.dataset.value = value;
}

/* Rows by key; cells: texts, or functions that fill a cell. */
function fillTable(id, rows) {
	const body = $(id).tBodies[0];
	rows.forEach(({ key, cells }, at) => {
		let row = body.rows[at];
		if (!row || row.dataset.key !== key) {
			row = [...body.rows].find((r) => r.dataset.key === key) || document.createElement("tr");
			row.dataset.key = key;
			body.insertBefore(row, body.rows[at] || null);
		}
		cells.forEach((cell, i) => {
			const node = row.cells[i] || row.appendChild(document.createElement(i === 0 ? "th" : "td"));
			if (i === 0)
				node.scope = "row";
			if (typeof cell === "function")
				cell(node);
			else
				write(node, cell);
		});
	});
	while (body.rows.length > rows.length)
		body.lastElementChild.remove();
}

const SVG = "http://www.w3.org/2000/svg";
function draw(svg, parts) {
	svg.replaceChildren(...parts.map(([name, attributes, text]) => {
		const node = document.createElementNS(SVG, name);
		for (const key in attributes)
			node.setAttribute(key, attributes[key]);
		if (text !== undefined)
			node.textContent = text;
		return node;
	}));
}

/* ---- what is asked ---------------------------------------------------------------------------- */

async function ask(path) {
	const abort = new AbortController();
	const limit = setTimeout(() => abort.abort(), TIMEOUT_MS);
	try {
		const answer = await fetch(path, { signal: abort.signal, cache: "no-store" });
		if (!answer.ok)
			throw new Error(await answer.json().then((body) => body.error, () => `GET ${path}: ${answer.status}`));
		return await answer.text();
	} finally {
		clearTimeout(limit);
	}
}

/* What /stats calls metrics: a number, or one for each of a label's values. */
function metricsOf(stats) {
	return {
		sum: (name) => {
			const found = stats.metrics[name];
			return typeof found === "object" ? Object.values(found).reduce((sum, n) => sum + n, 0) : found || 0;
		},
		by: (name) => new Map(Object.entries(stats.metrics[name] || {})),
	};
}

/* ---- the parts of the page ---------------------------------------------------------------------- */

/* A second, or null when there is nothing to compare with. */
function perSecond(now, pick) {
	if (before === null || now.at <= before.at)
		return null;
	return Math.max(0, pick(now) - pick(before)) / ((now.at - before.at) / 1000);
}

const borrowed = (now) => now.allocator.pools.reduce((sum, p) => sum + p.borrowed_total, 0);
const events = (now) => now.metrics.sum("trove_events_total");
const refused = (now) => now.metrics.sum("trove_events_refused_total");

function findRow(latency, type) {
	return latency.events.find((row) => row.type === type) || { stages: {} };
}

function showTiles(now) {
	const m = now.metrics, whole = (findRow(now.latency, "all").stages.whole || { minute: {} }).minute;
	write("rate", rate(perSecond(now, events)));
	write("events", count(events(now)), events(now));
	write("refused-rate", rate(perSecond(now, refused)));
	write("refused", count(refused(now)), refused(now));
	write("p50", time(whole.p50), whole.p50);
	write("p99", time(whole.p99), whole.p99);
	write("p999", time(whole["p99.9"]));
	write("resident", bytes(now.allocator.process.resident_bytes), now.allocator.process.resident_bytes);
	write("peak", bytes(now.allocator.process.resident_peak_bytes));
	write("lag", count(m.sum("trove_journal_waiting_records")), m.sum("trove_journal_waiting_records"));
	write("queue", count(m.sum("trove_writer_queue_messages")));
	write("queue-limit", count(m.sum("trove_writer_queue_limit_messages")));
	write("flight", count(m.sum("trove_requests_in_flight")));
	write("peers", count(m.sum("trove_peers")));
}

/* Rungs below zero are taken off their neighbour in the bar; the table has them as they are. */
function showLadder(now) {
	const ladder = now.allocator.ladder, resident = now.allocator.process.resident_bytes;
	const colour = (i) => `var(--c${i % 8 + 1})`;
	let sum = 0;
	fillTable("ladder", ladder.map((rung, i) => {
		sum += rung.bytes;
		const soFar = sum;
		return { key: rung.name, cells: [
			(node) => {
				if (node.firstChild === null) {
					const swatch = document.createElement("span");
					swatch.className = "swatch";
					swatch.style.background = rung.name === "untouched" ? "transparent" : colour(i);
					node.append(swatch, rung.name);
				}
			},
			(node) => write(node, bytes(rung.bytes), rung.bytes),
			bytes(soFar),
			RUNGS[rung.name] || "",
		] };
	}));
	write("ladder-sum", bytes(sum), sum);
	write("ladder-resident", bytes(resident), resident);
	write("ladder-check", sum === resident ? "the rungs add up to what the kernel says" :
		`the kernel says ${bytes(resident)}: ${bytes(resident - sum)} are missing`);

	const size = Object.fromEntries(ladder.map((rung) => [rung.name, rung.bytes]));
	if (size.untouched < 0) {
		size.reserved += size.untouched;
		size.untouched = 0;
	}
	if (size.reserved < 0) {
		size.requested += size.reserved;
		size.reserved = 0;
	}
	const bar = $("ladder-bar");
	while (bar.children.length < ladder.length)
		bar.append(document.createElement("span"));
	const shown = ladder.reduce((total, rung) => total + Math.max(0, size[rung.name]), 0);
	ladder.forEach((rung, i) => {
		const part = bar.children[i];
		part.style.background = colour(i);
		part.style.width = `${100 * Math.max(0, size[rung.name]) / shown}%`;
		part.title = `${rung.name}: ${bytes(size[rung.name])}`;
	});
}

/* Pools have a table of their own. */
function showHoldings(now) {
	const all = [...now.allocator.arenas, ...now.allocator.snapshots, ...now.allocator.buffers];
	all.sort((a, b) => b.resident_bytes - a.resident_bytes);
	fillTable("holdings", all.slice(0, 8).map((h) => ({ key: h.name, cells: [
		h.count > 1 ? `${h.name} (${h.count})` : h.name,
		bytes(h.in_use_bytes), bytes(h.high_water_bytes), bytes(h.reserved_bytes), bytes(h.resident_bytes),
	] })));
}

function fillBar(node, share, high) {
	if (node.firstChild === null) {
		node.className = "barred";
		node.append(document.createElement("span"));
		node.firstChild.className = "bar";
		node.firstChild.append(document.createElement("i"), document.createElement("b"));
	}
	const [use, mark] = node.firstChild.children;
	use.style.width = `${100 * share}%`;
	mark.style.left = `calc(${100 * high}% - 2px)`;
	mark.hidden = high === 0;
}

/* A pool that is empty is no harm where closed carts and payments made room. */
function showPools(now) {
	const isRefusing = now.metrics.by("trove_events_refused_total").get("pool_exhausted") > 0;
	const earlier = new Map((before ? before.allocator.pools : []).map((p) => [p.name, p]));
	fillTable("pools", now.allocator.pools.map((p) => ({ key: p.name, cells: [
		p.name,
		(node) => fillBar(node, p.in_use / p.capacity, p.high_water / p.capacity),
		(node) => write(node, count(p.in_use), p.in_use),
		(node) => write(node, count(p.high_water), p.high_water),
		count(p.capacity),
		earlier.has(p.name) ? rate(perSecond(now, (x) => (x === now ? p : earlier.get(p.name)).borrowed_total)) : "–",
		(node) => {
			write(node, count(p.exhausted_total));
			node.classList.toggle("is-alarm", p.exhausted_total > 0 && isRefusing);
		},
		bytes(p.resident_bytes),
	] })));
}

function showJournal(now) {
	const m = now.metrics, wait = (findRow(now.latency, "all").stages.journal || { minute: {} }).minute;
	const failed = m.sum("trove_journal_failed") !== 0;
	write("seq", m.sum("trove_journal_seq").toLocaleString("en-US"), m.sum("trove_journal_seq"));
	write("waiting", count(m.sum("trove_journal_waiting_records")));
	write("journal-p99", time(wait.p99));
	write("flushes", rate(perSecond(now, (x) => x.metrics.sum("trove_journal_flushes_total"))));
	write("journal-bytes", `${bytes(m.sum("trove_journal_bytes"))} of ${bytes(m.sum("trove_journal_limit_bytes"))}`);
	write("journal-state", failed ? "failed: changes are refused" : "takes changes");
	$("journal-state").classList.toggle("is-alarm", failed);
}

/* ---- charts --------------------------------------------------------------------------------------- */

/* Lines over time, newest at the right. series: [class, member of history]. */
function showHistory(id, series, format) {
	const left = 78, right = 596, top = 16, bottom = 178;
	let most = 10;
	for (const point of history)
		for (const [, member] of series)
			most = Math.max(most, point[member] || 0);
	const power = 10 ** Math.floor(Math.log10(most));
	const limit = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= most);
	const parts = [];
	for (let i = 0; i <= 4; i++) {
		const y = bottom - (bottom - top) * i / 4;
		parts.push(["line", { class: "grid", x1: left, x2: right, y1: y, y2: y }]);
		if (i % 2 === 0)
			parts.push(["text", { x: left - 6, y: y + 4, "text-anchor": "end" }, format(limit * i / 4)]);
	}
	parts.push(["text", { x: left, y: 196 }, "5 min ago"], ["text", { x: right, y: 196, "text-anchor": "end" }, "now"]);
	const newest = history.length ? history[history.length - 1].at : 0;
	for (const [name, member] of series) {
		const points = history.filter((p) => p[member] !== null && newest - p.at <= HISTORY_MS).map((p) =>
			`${(right - (right - left) * (newest - p.at) / (HISTORY_MS)).toFixed(1)},` +
			`${(bottom - (bottom - top) * p[member] / limit).toFixed(1)}`);
		parts.push(["polyline", { class: name, points: points.join(" ") }]);
	}
	draw($(id), parts);
}

/* x: nines, y: decades of time. */
function showCurves(stages, over) {
	const left = 64, right = 588, top = 16, bottom = 232;
	const shown = STAGES.filter((s) => stages[s] && stages[s][over].count > 0);
	const values = shown.flatMap((s) => PERCENTILES.map((p) => stages[s][over][`p${p}`])).filter((v) => v > 0);
	const low = Math.floor(Math.log10(Math.min(...values, 100))), high = Math.ceil(Math.log10(Math.max(...values, 1)) + 1e-9);
	const nines = (p) => Math.log10(100 / (100 - p));
	const x = (p) => left + (right - left) * (nines(p) - nines(50)) / (nines(99.99) - nines(50));
	const y = (v) => bottom - (bottom - top) * (Math.log10(Math.max(v, 10 ** low)) - low) / Math.max(1, high - low);
	const parts = [];
	for (let power = low; power <= high; power++)
		parts.push(["line", { class: "grid", x1: left, x2: right, y1: y(10 ** power), y2: y(10 ** power) }],
			["text", { x: left - 6, y: y(10 ** power) + 4, "text-anchor": "end" }, time(10 ** power)]);
	for (const p of [50, 90, 99, 99.9, 99.99])
		parts.push(["text", { x: x(p), y: 252, "text-anchor": p === 99.99 ? "end" : p === 50 ? "start" : "middle" }, `p${p}`]);
	for (const s of shown)
		parts.push(["polyline", { class: `s${STAGES.indexOf(s) + 1}`,
			points: PERCENTILES.map((p) => `${x(p).toFixed(1)},${y(stages[s][over][`p${p}`]).toFixed(1)}`).join(" ") }]);
	draw($("curves"), shown.length ? parts : [["text", { x: 300, y: 130, "text-anchor": "middle" }, "no events yet"]]);
	showStageLegend(stages, shown, over);
}

function showStageLegend(stages, shown, over) {
	const legend = $("stage-legend");
	if (legend.dataset.shown !== shown.join()) {
		legend.dataset.shown = shown.join();
		legend.replaceChildren(...shown.map((s) => {
			const item = document.createElement("span"), key = document.createElement("span");
			item.className = "item";
			key.className = "key";
			key.style.background = s === "whole" ? "var(--text)" : `var(--c${STAGES.indexOf(s) + 1})`;
			item.append(key, `${s} p99 `, document.createElement("b"));
			return item;
		}));
	}
	[...legend.querySelectorAll("b")].forEach((value, i) => write(value, time(stages[shown[i]][over].p99)));
}

function showBars(buckets) {
	const left = 64, right = 588, top = 16, bottom = 232;
	if (!buckets || buckets.length === 0) {
		draw($("bars"), [["text", { x: 300, y: 130, "text-anchor": "middle" }, "no events yet"]]);
		return;
	}
	const low = Math.floor(Math.log10(Math.max(buckets[0][0], 0.01)));
	const high = Math.max(low + 1, Math.ceil(Math.log10(buckets[buckets.length - 1][1])));
	const most = Math.max(...buckets.map((b) => b[2]));
	const x = (us) => left + (right - left) * (Math.log10(Math.max(us, 10 ** low)) - low) / (high - low);
	const parts = [0, 0.5, 1].flatMap((share) => {
		const y = bottom - (bottom - top) * share;
		return [["line", { class: "grid", x1: left, x2: right, y1: y, y2: y }],
			["text", { x: left - 6, y: y + 4, "text-anchor": "end" }, count(most * share)]];
	});
	for (let power = low; power <= high; power++)
		parts.push(["text", { x: x(10 ** power), y: 252, "text-anchor": power === high ? "end" : "middle" }, time(10 ** power)]);
	for (const [from, to, times] of buckets) {
		const height = Math.max(1, (bottom - top) * times / most);
		parts.push(["rect", { class: "fill", x: x(from), width: Math.max(1, x(to) - x(from) - 0.6), y: bottom - height, height }]);
	}
	draw($("bars"), parts);
}

function showLatency(now) {
	const over = $("window").value, chosen = $("type").value;
	const types = now.latency.events.map((row) => row.type);
	if ([...$("type").options].map((o) => o.value).join() !== types.join()) {
		$("type").replaceChildren(...types.map((type) => new Option(type, type)));
		$("type").value = types.includes(chosen) ? chosen : "all";
	}
	write("window-seconds", `${digits(now.latency[over].seconds)} s`);
	const stages = findRow(now.chosen, now.type).stages;
	showCurves(stages, over);
	showBars(stages.whole ? stages.whole[over].buckets : null);

	const totals = now.metrics.by("trove_events_total");
	const earlier = before ? before.metrics.by("trove_events_total") : new Map();
	fillTable("types", now.latency.events.filter((row) => row.stages.whole).map((row) => {
		const whole = row.stages.whole[over];
		const each = row.type === "all" ? perSecond(now, events) :
			perSecond(now, (x) => (x === now ? totals : earlier).get(row.type) || 0);
		return { key: row.type, cells: [row.type, rate(each), (node) => write(node, count(whole.count), whole.count),
			...["p50", "p90", "p99", "p99.9", "p99.99", "max"].map((p) => (node) => write(node, time(whole[p]), whole[p]))] };
	}));
}

/* ---- the loop -------------------------------------------------------------------------------------- */

async function look() {
	const stats = JSON.parse(await ask("/stats"));
	const latency = JSON.parse(await ask("/latency"));
	const type = $("type").value;
	const chosen = JSON.parse(await ask(`/latency?p=${PERCENTILES.join()}&type=${encodeURIComponent(type)}`));
	return { at: stats.at, stats, metrics: metricsOf(stats), allocator: stats.memory, latency, chosen, type };
}

function show(now) {
	const start = now.metrics.sum("process_start_time_seconds");
	if (start !== started) { /* another process: its counters began again */
		before = null;
		history = [];
		started = start;
	}
	history.push({
		at: now.at,
		events: perSecond(now, events),
		borrowed: perSecond(now, borrowed),
		heap: perSecond(now, (x) => x.allocator.allocator.allocations_total),
		lag: now.metrics.sum("trove_journal_waiting_records"),
	});
	history = history.slice(-Math.ceil(HISTORY_MS / INTERVAL_MS) - 1);
	const newest = history[history.length - 1];
	showTiles(now);
	showLadder(now);
	showHoldings(now);
	showPools(now);
	showJournal(now);
	showHistory("rates", [["s3", "heap"], ["s2", "borrowed"], ["s1", "events"]], rate);
	write("rate-now", rate(newest.events));
	write("borrow-now", rate(newest.borrowed));
	write("heap-now", rate(newest.heap));
	showHistory("lags", [["s1", "lag"]], count);
	showLatency(now);
	write("about", `${now.stats.version} · up ${span(now.stats.uptime_ms / 1000)}`);
	before = now;
}

function say(kind, text) {
	$("state").className = kind;
	write("state-text", text);
}

function sayLost(error) {
	document.body.classList.add("is-stale");
	say("is-bad", "no connection");
	const since = lastGood ? `The figures are those of ${new Date(lastGood).toLocaleTimeString()}.` : "There are no figures yet.";
	write("lost", `No answer from trove (${error.message}). ${since} Trying again every ${INTERVAL_MS / 1000} s.`);
	$("lost").hidden = false;
}

async function tick() {
	const mine = ++turn; /* a choice, or a pause, begins another one meanwhile */
	clearTimeout(timer);
	try {
		const now = await look();
		if (mine !== turn)
			return;
		document.body.classList.remove("is-stale");
		$("lost").hidden = true;
		lastGood = Date.now();
		document.body.dataset.updates = Number(document.body.dataset.updates || 0) + 1;
		show(now);
		const { status, reasons } = now.stats;
		say(reasons.length === 0 ? "is-good" : "is-bad", reasons.join(", ") || status);
	} catch (error) {
		if (mine !== turn)
			return;
		sayLost(error);
	}
	timer = setTimeout(tick, INTERVAL_MS);
}

function pause() {
	paused = !paused;
	$("pause").setAttribute("aria-pressed", paused);
	write("pause", paused ? "Resume" : "Pause");
	if (paused) {
		turn++;
		clearTimeout(timer);
		say("", `paused at ${new Date(lastGood || Date.now()).toLocaleTimeString()}`);
	} else {
		tick();
	}
}

const THEMES = ["system", "light", "dark"];
function setTheme(theme) {
	if (theme === "system")
		delete document.documentElement.dataset.theme;
	else
		document.documentElement.dataset.theme = theme;
	write("theme", `Theme: ${theme}`);
	$("theme").dataset.theme = theme;
	try {
		localStorage.setItem("theme", theme);
	} catch { /* not allowed to keep it */ }
}

function keptTheme() {
	try {
		return THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system";
	} catch {
		return "system";
	}
}

$("pause").addEventListener("click", pause);
$("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf($("theme").dataset.theme) + 1) % 3]));
$("type").addEventListener("change", () => paused || tick());
$("window").addEventListener("change", () => before && showLatency(before));
setTheme(keptTheme());
tick();
})();
