// What scripts add to the public pages. Without them the pages say all that the server knows.

import { knowsEd25519 } from "./bytes.js";
import { checkProofPage } from "./proof-page.js";
import { loadTexts } from "./texts.js";
import { openBundle } from "./trust.js";
import { offerChecking } from "./verify-page.js";

export const now = () => Math.floor(Date.now() / 1000);

/** What the browser can check by: `{trust}`, or `{problem}` with the key of a text that says why it cannot. */
async function prepare() {
  if (!(await knowsEd25519())) return { problem: "js.no_ed25519" };
  try {
    const answer = await fetch("/v1/trust-bundle", { credentials: "omit" });
    const trust = await openBundle(await answer.text(), now());
    return { trust, findLists: async (url) => [await fetchList(url), trust.list(url)].filter((one) => one !== null) };
  } catch {
    return { problem: "js.no_keys" };
  }
}

/** A status list's text, or null when it is on another server or cannot be had. */
async function fetchList(url) {
  if (new URL(url).origin !== location.origin) return null;
  try {
    const answer = await fetch(url, { credentials: "omit", headers: { accept: "application/json" } });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}

// The fragment is the signed code: whoever changes the language or compares a name is to keep it.
function keepFragment() {
  const { hash } = location;
  for (const found of document.querySelectorAll("[data-keeps-fragment]")) {
    const address = found.tagName === "FORM" ? "action" : "href";
    found.setAttribute(address, found.getAttribute(address) + hash);
  }
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content").focus();
  });
}

async function start() {
  const main = document.getElementById("content");
  keepFragment();
  const texts = await loadTexts();
  if (main.classList.contains("proof")) await checkProofPage(main, prepare, texts, now);
  else offerChecking(prepare, texts, now);
  main.dataset.ready = "yes";
}

start();
