// The dashboard in a real browser, beside what the service says of itself.
// usage: node check.mjs BUILD_FOLDER TEMPORARY_FOLDER CHROMIUM [SCREENSHOTS_FOLDER]
import { join } from "node:path";
import { openBrowser } from "./browser.mjs";
import { placeService, startLoad } from "./service.mjs";

const [build, folder, chromium, pictures] = process.argv.slice(2);
// The page's own interval is two seconds; without asking for another one this would take twice as long.
const EVERY_MS = 400;
let passed = 0, failed = 0;
const sleep = (ms) => new Promise((go) => setTimeout(go, ms));

function check(name, good, detail = "") {
	good ? passed++ : failed++;
	console.log(`${good ? "ok" : "not ok"} ${name}${good || detail === "" ? "" : `: ${detail}`}`);
}

const value = (page, id) => page.run(`Number(document.getElementById("${id}").dataset.value)`);
const text = (page, id) => page.run(`document.getElementById("${id}").textContent`);
const updates = (page) => page.run("Number(document.body.dataset.updates || 0)");
// Waits for answers that were asked for after now.
async function fresh(page) {
	const seen = await updates(page);
	return page.until(`Number(document.body.dataset.updates || 0) >= ${seen + 2}`, 20000);
}

// Rows of a table: [first cell, data values of the others].
const rows = (page, id) => page.run(`[...document.getElementById("${id}").tBodies[0].rows].map((row) =>
	[row.dataset.key, ...[...row.cells].slice(1).map((cell) => cell.dataset.value === undefined ? null : Number(cell.dataset.value))])`);

async function underLoad(service, page) {
	const before = await service.metrics();
	check("it goes on under load", await fresh(page));
	const events = await value(page, "events"), seq = await value(page, "seq"), refused = await value(page, "refused");
	const sum = await value(page, "ladder-sum"), resident = await value(page, "ladder-resident");
	const shown = await value(page, "resident");
	const after = await service.metrics(), memory = await service.json("/allocator");
	const between = (n, name) => n >= before.sum(name) && n <= after.sum(name);
	check("events are between two readings", between(events, "trove_events_total"), events);
	check("refusals, too", refused > 0 && between(refused, "trove_events_refused_total"), refused);
	check("the journal's seq, too", seq > 0 && between(seq, "trove_journal_seq"), seq);
	check("the ladder adds up to the resident set", sum === resident, `${sum} and ${resident}`);
	check("that is the one on top", shown === resident, shown);
	check("within 5 % of a later reading", Math.abs(shown / memory.process.resident_bytes - 1) < 0.05, shown);
	check("a rate is shown", /^[0-9.,]+( [kM])?\/s$/.test(await text(page, "rate")), await text(page, "rate"));
	check("curves are drawn", await page.run(`document.querySelectorAll("#curves polyline").length`) === 6);
	check("and bars", await page.run(`document.querySelectorAll("#bars rect").length`) > 5);
}

// The client's connection ends a moment after the client.
async function comesToRest(service) {
	const held = (m) => m.sum("trove_peers") + m.sum("trove_requests_in_flight") + m.sum("trove_journal_waiting_records");
	for (let i = 0; i < 100; i++, await sleep(50))
		if (held(await service.metrics()) === 0)
			return true;
	return false;
}

async function atRest(service, page) {
	await page.run(`document.getElementById("window").value = "life"`);
	check("it comes to rest", await comesToRest(service));
	await fresh(page);
	const m = await service.metrics(), memory = await service.json("/allocator"), latency = await service.json("/latency");
	check("at rest: events", await value(page, "events") === m.sum("trove_events_total"));
	check("at rest: refusals", await value(page, "refused") === m.sum("trove_events_refused_total"));
	const pools = await rows(page, "pools");
	check("at rest: every pool", JSON.stringify(pools.filter(([name]) => !name.startsWith("http")).map((r) => [r[0], r[2], r[3]])) ===
		JSON.stringify(memory.pools.filter((p) => !p.name.startsWith("http")).map((p) => [p.name, p.in_use, p.high_water])));
	const expected = latency.events.map(({ type, stages: { whole } }) => [type, whole.life.count, whole.life.p50, whole.life.p90,
		whole.life.p99, whole.life["p99.9"], whole.life["p99.99"], whole.life.max]);
	const types = (await rows(page, "types")).map((row) => [row[0], ...row.slice(2)]);
	check("at rest: counts and percentiles of every type", JSON.stringify(types) === JSON.stringify(expected),
		`${JSON.stringify(types)} and ${JSON.stringify(expected)}`);
	check("types add up", expected.slice(1).reduce((n, row) => n + row[1], 0) === expected[0][1]);
	const chosen = await service.json("/latency?type=locate");
	await page.run(`document.getElementById("type").value = "locate";
		document.getElementById("type").dispatchEvent(new Event("change"))`);
	await fresh(page);
	check("a chosen type's histogram", await page.run(`document.querySelectorAll("#bars rect").length`) ===
		chosen.events[0].stages.whole.life.buckets.length);
}

async function withoutFlicker(page) {
	await page.run(`window.row = document.getElementById("pools").tBodies[0].rows[2]; window.row.mark = 1`);
	await fresh(page);
	check("rows stay the same nodes", await page.run(`document.getElementById("pools").tBodies[0].rows[2].mark === 1`));
}

async function paused(page) {
	const focus = () => page.run("document.activeElement.id || document.activeElement.getAttribute('aria-label') || ''");
	const seen = [];
	for (let i = 0; i < 10 && !seen.includes("window"); i++) {
		await page.press("Tab");
		seen.push(await focus());
	}
	check("Tab goes to buttons, tables and choices", ["pause", "theme", "Memory ladder", "Pools", "type", "window"]
		.every((id) => seen.includes(id)), seen.join(" "));
	check("what has the focus is seen", await page.run("getComputedStyle(document.activeElement).outlineStyle") === "solid");
	await page.run(`document.getElementById("pause").focus()`);
	await page.press("Enter");
	check("Enter pauses", await page.run(`document.getElementById("pause").getAttribute("aria-pressed")`) === "true");
	const before = await updates(page);
	await sleep(5 * EVERY_MS);
	check("paused, nothing changes", await updates(page) === before);
	check("and it says so", (await text(page, "state-text")).startsWith("paused at"));
	await page.press("Enter");
	check("Enter resumes", await fresh(page));
}

async function lostAndFound(service, page) {
	const before = await value(page, "events");
	await service.stop("SIGKILL");
	check("a lost connection is said", await page.until(`!document.getElementById("lost").hidden`, 10000));
	check("with since when", /No answer.*The figures are those of/.test(await text(page, "lost")), await text(page, "lost"));
	check("and the figures stay", await value(page, "events") === before);
	await service.start();
	check("it comes back by itself", await page.until(`document.getElementById("lost").hidden`, 10000));
	await fresh(page);
	const m = await service.metrics();
	check("with the new service's figures", await value(page, "events") === m.sum("trove_events_total"),
		`${await value(page, "events")}, before ${before}`);
}

// WCAG 2: relative luminance of colours as the browser computed them.
const contrasts = `(() => {
	const channel = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const luminance = (text) => {
		const [r, g, b] = text.match(/[0-9.]+/g).map((n) => channel(n / 255));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const panel = luminance(getComputedStyle(document.querySelector("section")).backgroundColor);
	const ratio = (node) => {
		const l = luminance(getComputedStyle(node).color);
		return (Math.max(l, panel) + 0.05) / (Math.min(l, panel) + 0.05);
	};
	return [".tile output", ".quiet", "thead th", ".legend", "h2"].map((s) => ratio(document.querySelector("section " + s)));
})()`;

async function looks(page) {
	const background = () => page.run("getComputedStyle(document.body).backgroundColor");
	const light = await background(), low = Math.min(...await page.run(contrasts));
	await page.setScheme("dark");
	const dark = await background(), lowDark = Math.min(...await page.run(contrasts));
	check("dark as the system is", light !== dark, light);
	check("contrast of 4.5 in both", low >= 4.5 && lowDark >= 4.5, `${low} and ${lowDark}`);
	await page.run(`document.getElementById("theme").click()`);
	check("the switch goes over the system", await background() === light, await text(page, "theme"));
	await page.run(`document.getElementById("theme").click()`);
	await page.setScheme("light");
	check("both ways", await background() === dark, await text(page, "theme"));
	await page.run(`document.getElementById("theme").click()`);
}

async function phone(page) {
	await page.resize(390, 844);
	await fresh(page);
	check("390 pixels: nothing runs over", await page.run("document.documentElement.scrollWidth") <= 390);
	check("390 pixels: buttons can be hit", await page.run(`[...document.querySelectorAll("button")].every((b) => {
		const box = b.getBoundingClientRect(); return box.height >= 40 && box.left >= 0 && box.right <= 390; })`));
}

const service = await placeService(build, folder);
let browser, load;
function end() {
	console.log(`${passed} passed, ${failed} failed`);
	process.exit(failed === 0 ? 0 : 1);
}
// Something waits for ever: what was checked so far is told, and nothing is left behind.
setTimeout(() => {
	check("it comes to its end", false, `after ${passed + failed} checks`);
	for (const child of [service.child, browser?.child, load?.child])
		child?.kill("SIGKILL");
	end();
}, pictures ? 340000 : 240000).unref();
await service.start();
try {
	browser = await openBrowser(chromium, folder);
} catch (error) {
	console.log(error.message);
	await service.stop("SIGTERM");
	process.exit(error.message.startsWith("SKIP") ? 77 : 1);
}
try {
	const head = await fetch(service.url + "/", { method: "HEAD" });
	check("a policy that allows nothing foreign", /^default-src 'none'; connect-src 'self';/.test(
		head.headers.get("content-security-policy")) && !/unsafe/.test(head.headers.get("content-security-policy")));
	const page = await browser.openPage(`${service.url}/?every=${EVERY_MS}`, { width: 1280, height: 900 });
	load = startLoad(build, service);
	await sleep(pictures ? 60000 : 2000);
	await underLoad(service, page);
	if (pictures) {
		await page.shoot(join(pictures, "light.png"));
		await page.setScheme("dark");
		await page.shoot(join(pictures, "dark.png"));
		await page.setScheme("light");
		await page.resize(390, 844);
		await fresh(page);
		await page.shoot(join(pictures, "phone.png"));
		await page.resize(1280, 900);
	}
	await load.stop();
	await atRest(service, page);
	await withoutFlicker(page);
	await paused(page);
	await looks(page);
	await lostAndFound(service, page);
	await phone(page);
	check("the page asks nobody else", page.requests.every((url) => url.startsWith(service.url) || url.startsWith("data:")),
		page.requests.filter((url) => !url.startsWith(service.url)).join(" "));
	check("no complaint of the browser", page.complaints.length === 0, page.complaints.join(" | "));
} catch (error) {
	check("no question fails", false, error.stack);
} finally {
	await browser.close();
	await service.stop("SIGTERM");
}
end();
