// /p/{id}: the signed code behind the `#` never reaches the server; it is checked here and held against the page.

import { check } from "./check.js";
import { alarm, element, note, steps } from "./render.js";

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
  const { trust, findLists, problem } = await prepare();
  if (problem) {
    place.replaceChildren(element("p", { class: "note" }, texts.get(problem)));
    return;
  }
  const verdict = await check(sealed, trust, findLists, now());
  const { problem: wrong, parts } = tell(verdict, main.dataset, texts);
  place.replaceChildren(...parts);
  if (wrong) doubt(texts.get(wrong), texts);
}

// The server's answer is about the proof of this address; what somebody holds is another thing, and comes first.
function doubt(text, texts) {
  const answer = document.getElementById("answer");
  answer.classList.add("doubted");
  answer.before(alarm(text, texts));
  document.title = `${texts.get("js.code.word")} · ${document.title}`;
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
    found.push({
      name: "outcome",
      code: texts.get(`outcome.${verdict.outcome}`),
      page: texts.get(`outcome.${page.outcome}`),
    });
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
    return { problem: "js.code.bad", parts: [how] };
  }
  const found = differences(verdict, page, texts);
  if (found.length) return { problem: "js.code.differs", parts: [table(found, texts), how] };
  return { parts: [note(texts.get(page.digest ? "js.code.good" : "js.code.only"), true), how] };
}

function table(found, texts) {
  const heads = ["js.code.field", "js.code.in_code", "js.code.on_page"];
  const rows = found.map(({ name, code, page }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, texts.get(`claim.${name}`)),
      element("td", {}, code),
      element("td", {}, page),
    ),
  );
  return element(
    "table",
    { class: "differences" },
    element("thead", {}, element("tr", {}, ...heads.map((key) => element("th", { scope: "col" }, texts.get(key))))),
    element("tbody", {}, ...rows),
  );
}
