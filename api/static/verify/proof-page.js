// /p/{id}: the signed code behind the `#` never reaches the server; it is checked here and held against the page.

import { check } from "./check.js";
import { element, note, steps } from "./render.js";

// Members of the code, and how a reader is shown them.
const COMPARED = {
  proof: (value) => value,
  region: (value) => value,
  minutes: (value, texts) => texts.duration(Number(value)),
  first: (value, texts) => texts.day(value),
  last: (value, texts) => texts.day(value),
  level: (value) => value,
  digest: (value) => value,
};

/** Check the code in the page's address, if there is one, and tell. */
export async function checkProofPage(main, prepare, texts, now) {
  const place = document.getElementById("code-result");
  const sealed = location.hash.slice(1);
  document.getElementById(sealed ? "code-check" : "code-none").hidden = false;
  if (!sealed) return;
  place.replaceChildren(element("p", {}, texts.get("js.running")));
  const { trust, fetchList, problem } = await prepare();
  if (problem) {
    place.replaceChildren(element("p", { class: "note" }, texts.get(problem)));
    return;
  }
  const verdict = await check(sealed, trust, fetchList, now());
  place.replaceChildren(...tell(verdict, main.dataset, texts));
}

/** Where code and page differ: `[{name, code, page}]`, in the words of the page. */
export function differences(verdict, page, texts) {
  const found = [];
  for (const [name, show] of Object.entries(COMPARED)) {
    const shown = page[name];
    const said = verdict.code[name];
    const missing = shown === undefined || shown === "";
    if (missing && (name !== "level" || page.minutes === undefined)) continue;
    if (String(said ?? "") === (shown ?? "")) continue;
    const [code, onPage] = [said, shown].map((value) => (value === undefined ? "–" : show(String(value), texts)));
    found.push({ name, code, page: onPage });
  }
  if (["revoked", "expired"].includes(verdict.outcome) && page.outcome === "valid") {
    found.push({ name: "outcome", code: texts.get(`outcome.${verdict.outcome}`), page: texts.get(`outcome.${page.outcome}`) });
  }
  return found;
}

function tell(verdict, page, texts) {
  const how = element(
    "details",
    {},
    element("summary", {}, texts.get("steps.title")),
    element("p", { class: "small" }, texts.get("js.by_browser")),
    steps(verdict, texts),
  );
  if (verdict.outcome === "invalid") {
    how.open = true;
    return [note(texts.get("js.code.bad"), false), how];
  }
  const found = differences(verdict, page, texts);
  if (found.length) return [note(texts.get("js.code.differs"), false), table(found, texts), how];
  return [note(texts.get(page.digest ? "js.code.good" : "js.code.only"), true), how];
}

function table(found, texts) {
  const heads = ["js.code.field", "js.code.in_code", "js.code.on_page"];
  const rows = found.map(({ name, code, page }) =>
    element("tr", {}, element("th", { scope: "row" }, texts.get(`claim.${name}`)), element("td", {}, code), element("td", {}, page)),
  );
  return element(
    "table",
    { class: "differences" },
    element("thead", {}, element("tr", {}, ...heads.map((key) => element("th", { scope: "col" }, texts.get(key))))),
    element("tbody", {}, ...rows),
  );
}
