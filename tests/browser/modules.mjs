// Calls functions of the page's modules: `{folder, calls: [{module, name, arguments}]}` in, one answer a call out.
//
// Bytes travel as {"hex": …}, big integers as {"big": …}, and functions that find a key as {"keys": {name: hex}}.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

globalThis.fetch = () => {
    throw new Error("a module asked the network");
};

const { folder, calls } = JSON.parse(readFileSync(0, "utf8"));

const unpack = (value) => {
    if (Array.isArray(value)) return value.map(unpack);
    if (value === null || typeof value !== "object") return value;
    if ("hex" in value) return Uint8Array.from(Buffer.from(value.hex, "hex"));
    if ("big" in value) return BigInt(value.big);
    if ("keys" in value) return finder(value.keys);
    if ("lists" in value) return async (url) => value.lists[url] ?? [];
    if ("trust" in value) return trusted(value.trust, value.now);
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, unpack(item)]));
};

const finder =
    (keys) =>
    async (...names) => {
        const { Untrusted } = await load("bytes");
        const found = keys[names.join(" ")];
        if (found === undefined) throw new Untrusted("no such key");
        return Uint8Array.from(Buffer.from(found, "hex"));
    };

const trusted = async (text, now) => (await load("trust")).openBundle(text, now);

const pack = (value) => {
    if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString("hex") };
    if (value instanceof Map) return { map: [...value].map(([key, item]) => [pack(key), pack(item)]) };
    if (typeof value === "bigint") return { big: String(value) };
    if (Array.isArray(value)) return value.map(pack);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
        Object.entries(value)
            .filter(([, item]) => typeof item !== "function")
            .map(([name, item]) => [name, pack(item)]),
    );
};

const load = (module) => import(pathToFileURL(`${folder}/${module}.js`));

const answers = [];
for (const { module, name, arguments: given, then } of calls) {
    const { Invalid, Untrusted } = await load("bytes");
    const found = await load(module);
    try {
        const values = await Promise.all(given.map(unpack));
        let value = await found[name](...values);
        if (then) value = await value[then.name](...then.arguments.map(unpack));
        answers.push({ value: value === undefined ? null : pack(value) });
    } catch (error) {
        if (error instanceof Invalid) answers.push({ invalid: error.message });
        else if (error instanceof Untrusted) answers.push({ untrusted: error.message });
        else answers.push({ broken: String(error.stack) });
    }
}
process.stdout.write(JSON.stringify(answers));
