// A headless Chromium, driven over its DevTools protocol on a pipe; no package beside node is needed.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export async function openBrowser(program, folder) {
	const profile = mkdtempSync(join(folder, "profile-"));
	const child = spawn(program, ["--headless=new", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"],
	{ stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] });
	let said = "";
	child.stderr.setEncoding("utf8").on("data", (text) => { said = (said + text).slice(-2000); });
	// It may end while we write to it; `ended` tells.
	child.stdio[3].on("error", () => {});
	const ended = new Promise((resolve) => child.once("exit", resolve));
	const waiting = new Map(), listeners = [];
	let number = 0, rest = "";
	child.stdio[4].setEncoding("utf8").on("data", (text) => {
		const lines = (rest + text).split("\0");
		rest = lines.pop();
		for (const message of lines.map((line) => JSON.parse(line))) {
			if (waiting.has(message.id)) {
				const { resolve, reject } = waiting.get(message.id);
				waiting.delete(message.id);
				message.error ? reject(new Error(message.error.message)) : resolve(message.result);
			} else {
				listeners.forEach((listen) => listen(message));
			}
		}
	});
	const send = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
		waiting.set(++number, { resolve, reject });
		child.stdio[3].write(JSON.stringify({ id: number, method, params, sessionId }) + "\0");
	});
	// On a machine that does not let it run it ends at once, or never answers.
	const starts = await Promise.race([
		send("Browser.getVersion").then(() => true),
		ended.then(() => false),
		new Promise((go) => setTimeout(go, 60000, false).unref()),
	]);
	if (!starts) {
		child.kill("SIGKILL");
		throw new Error(`SKIP dashboard: Chromium does not start here: ${said.trim().split("\n").slice(-5).join(" | ")}`);
	}
	return {
		child,
		openPage: (url, size) => openPage(send, listeners, url, size),
		async close() {
			child.kill();
			await ended;
			await remove(profile);
		},
	};
}

// The browser's children write a moment longer than it lives.
async function remove(folder) {
	for (let tries = 0;; tries++) {
		try {
			return rmSync(folder, { recursive: true, force: true });
		} catch (error) {
			if (error.code !== "ENOTEMPTY" || tries === 100)
				throw error;
			await new Promise((go) => setTimeout(go, 100));
		}
	}
}

async function openPage(send, listeners, url, { width, height, scheme = "light" }) {
	const { targetId } = await send("Target.createTarget", { url: "about:blank" });
	const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
	const call = (method, params) => send(method, params, sessionId);
	const complaints = [], requests = [];
	listeners.push(({ method, params, sessionId: from }) => {
		if (from !== sessionId)
			return;
		if (method === "Runtime.exceptionThrown")
			complaints.push(params.exceptionDetails.exception?.description || params.exceptionDetails.text);
		if (method === "Log.entryAdded" && params.entry.source !== "network")
			complaints.push(params.entry.text);
		if (method === "Network.requestWillBeSent")
			requests.push(params.request.url);
	});
	for (const domain of ["Page", "Runtime", "Log", "Network"])
		await call(`${domain}.enable`);
	const resize = (w, h) => call("Emulation.setDeviceMetricsOverride", { width: w, height: h, deviceScaleFactor: 1, mobile: w < 600 });
	await resize(width, height);
	await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
	await call("Page.navigate", { url });
	const page = {
		complaints, requests, resize,
		setScheme: (value) => call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] }),
		async run(expression) {
			const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
			if (exceptionDetails)
				throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
			return result.value;
		},
		async until(expression, limit_ms) {
			for (const end = Date.now() + limit_ms; Date.now() < end; await new Promise((go) => setTimeout(go, 50)))
				if (await page.run(expression))
					return true;
			return false;
		},
		async press(key, code = key) {
			const text = key === "Enter" ? "\r" : undefined;
			await call("Input.dispatchKeyEvent", { type: "keyDown", key, code, text, windowsVirtualKeyCode: key === "Tab" ? 9 : 13 });
			await call("Input.dispatchKeyEvent", { type: "keyUp", key, code, windowsVirtualKeyCode: key === "Tab" ? 9 : 13 });
		},
		async shoot(file) {
			const { data } = await call("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
			writeFileSync(file, Buffer.from(data, "base64"));
		},
		close: () => send("Target.closeTarget", { targetId }),
	};
	return page;
}
