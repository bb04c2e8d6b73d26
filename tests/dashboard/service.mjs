// A troved on free ports of its own, what it says of itself, and a client that keeps it busy.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const sleep = (ms) => new Promise((go) => setTimeout(go, ms));

// Below those that the system gives to clients, one of which could take it between two starts.
async function freePort() {
	for (;;) {
		const port = 20000 + Math.floor(10000 * Math.random());
		const isFree = await new Promise((resolve) => {
			const server = createServer().once("error", () => resolve(false));
			server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
		});
		if (isFree)
			return port;
	}
}

export async function placeService(build, folder) {
	const data = join(folder, "data"), port = await freePort();
	mkdirSync(data);
	const service = { url: `http://127.0.0.1:${port}`, ipc: `ipc://${data}/t.ipc`, child: null };
	const sets = [`data.directory=${data}`, `events.reply=[${service.ipc}]`, "events.collect=[]", "events.publish=[]",
		`observe.listen=127.0.0.1:${port}`, "admin.listen=", "rewards.file=config/demo_rewards.csv", "log.level=error"];
	const get = (path) => fetch(service.url + path, { signal: AbortSignal.timeout(20000) });
	service.text = async (path) => (await get(path)).text();
	service.json = async (path) => JSON.parse(await service.text(path));
	// Series of /metrics: sum(name) over all labels.
	service.metrics = async () => {
		const lines = (await service.text("/metrics")).split("\n").filter((line) => line !== "" && line[0] !== "#");
		const series = lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]);
		return { sum: (name) => series.filter(([key]) => key === name || key.startsWith(name + "{")).reduce((n, [, v]) => n + v, 0) };
	};
	service.start = async () => {
		service.child = spawn(join(build, "bin/troved"), sets.flatMap((set) => ["--set", set]), { stdio: ["ignore", "ignore", "inherit"] });
		service.ended = new Promise((resolve) => service.child.once("exit", resolve));
		for (let i = 0; i < 1200 && service.child.exitCode === null; i++, await sleep(50))
			if (await get("/readyz").then((r) => r.ok, () => false))
				return;
		service.child.kill("SIGKILL");
		throw new Error(`troved does not get ready (exit code ${service.child.exitCode})`);
	};
	service.stop = async (signal) => {
		service.child.kill(signal);
		await service.ended;
	};
	return service;
}

// Every type of traffic, from now until stop().
export function startLoad(build, service) {
	const child = spawn(join(build, "bin/trovectl"), ["--url", service.ipc, "send", "--in-flight", "16"],
		{ stdio: ["pipe", "ignore", "ignore"] });
	const ended = new Promise((resolve) => child.once("exit", resolve));
	// Carts go their way, each step well behind the one before: messages in flight overtake each other.
	const BEHIND = 100;
	let id = 0, opened = 0, filled = 0, bought = 0, captured = 0, going = true;
	const place = () => `"x":${(-122.45 + 0.06 * Math.random()).toFixed(5)},"y":${(37.74 + 0.06 * Math.random()).toFixed(5)}`;
	const some = [
		() => `{"type":"locate",${place()},"radius":500}`,
		() => `{"type":"locate",${place()},"radius":2000,"limit":64}`,
		() => `{"type":"ping"}`,
		() => `{"type":"cart.open","id":${++id},"cart":${++opened},"currency":"EUR"}`,
		() => opened - filled < BEHIND ? some[3]() :
			`{"type":"cart.add","id":${++id},"cart":${++filled},"sku":"tea","quantity":1,"unit_price":250}`,
		() => filled - bought < BEHIND ? some[4]() : `{"type":"cart.checkout","id":${++id},"cart":${++bought},"payment":${bought}}`,
		() => bought - captured < BEHIND ? some[5]() : `{"type":"payment.capture","id":${++id},"payment":${++captured}}`,
		() => Math.random() < 0.9 ? some[1]() : `{"type":"locate","x":500,"y":0}`,
	];
	child.stdin.on("error", () => { going = false; });
	const feed = () => {
		if (!going)
			return;
		let text = "";
		for (let i = 0; i < 200; i++)
			text += some[Math.floor(some.length * Math.random())]() + "\n";
		child.stdin.write(text, () => setTimeout(feed, 20));
	};
	feed();
	return {
		child,
		async stop() {
			going = false;
			child.stdin.end();
			await ended;
		},
	};
}
