// /verify: JSON credentials and the text of QR codes are checked in the browser, all else goes to the server.

import { CREDENTIAL_BYTES_MAX } from "./agreed.js";
import { check, isCode } from "./check.js";
import { statesName } from "./cose.js";
import { answer, element, note, steps } from "./render.js";
import { statement } from "./statement.js";

/** Take over the form where the browser can answer by itself. */
export function offerChecking(prepare, texts, now) {
  const form = document.getElementById("ask");
  const drop = document.getElementById("drop");
  const prepared = prepare();
  document.getElementById("drop-hint").hidden = false;
  prepared.then(({ problem }) => {
    if (problem) form.prepend(element("p", { class: "note" }, texts.get(problem)));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(form, prepared, texts, now);
  });
  listenForDrops(drop, form);
}

function listenForDrops(drop, form) {
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    form.elements.file.files = event.dataTransfer.files;
    form.requestSubmit();
  });
}

async function run(form, prepared, texts, now) {
  const place = document.getElementById("result");
  place.replaceChildren(element("p", { class: "note", role: "status" }, texts.get("js.running")));
  const text = await readable(form);
  const { trust, findLists, problem } = await prepared;
  if (text === null || problem) {
    place.replaceChildren(element("p", { class: "note", role: "status" }, texts.get("js.uploading")));
    form.submit();
    return;
  }
  const verdict = await check(text, trust, findLists, now());
  const name = form.elements.name.value.trim();
  place.replaceChildren(
    answer(verdict, texts),
    ...(name ? [await compareName(verdict, name, texts)] : []),
    ...statement(verdict, texts),
    howChecked(verdict, texts, form),
  );
  document.getElementById("ask-title").textContent = texts.get("verify.again");
  document.getElementById("answer").focus();
}

// What the browser can check itself, as text; null for what it cannot, or when nothing was given.
async function readable(form) {
  const [file] = form.elements.file.files;
  if (!file) {
    const text = form.elements.text.value.trim();
    return isLocal(text) ? text : null;
  }
  if (file.type.startsWith("image/")) return readPicture(file);
  if (file.size > CREDENTIAL_BYTES_MAX) return null;
  const text = (await file.text()).trim();
  return isLocal(text) ? text : null;
}

const isLocal = (text) => text.startsWith("{") || (isCode(text) && text.length > 40);

// Telephones can read a QR themselves; where the browser cannot, the server does.
async function readPicture(file) {
  if (!("BarcodeDetector" in globalThis)) return null;
  try {
    const detector = new globalThis.BarcodeDetector({ formats: ["qr_code"] });
    const found = await detector.detect(await createImageBitmap(file));
    const codes = new Set(found.map((code) => code.rawValue).filter(isLocal));
    return codes.size === 1 ? [...codes][0] : null; // of several proofs the server says so
  } catch {
    return null;
  }
}

async function compareName(verdict, name, texts) {
  const stated = verdict.credential?.credentialSubject.identifier?.[0]?.identityHash;
  if (verdict.outcome === "invalid") return "";
  if (stated === undefined && !verdict.code?.name) return element("p", { class: "note" }, texts.get("name.absent"));
  const same = stated === undefined ? await statesName(verdict.code, name) : plain(stated) === plain(name);
  return note(texts.get(same ? "name.matches" : "name.differs", { name }), same);
}

// Width, case, blanks and the form of the middle dot do not count.
const plain = (name) =>
  name
    .normalize("NFKC")
    .replace(/[\s·・•]/g, "")
    .toLowerCase();

function howChecked(verdict, texts, form) {
  const button = element("button", { type: "button", class: "plain" }, texts.get("js.ask_server"));
  button.addEventListener("click", () => form.submit());
  return element(
    "section",
    { class: "panel", "aria-labelledby": "steps-title" },
    element("h2", { id: "steps-title" }, texts.get("steps.title")),
    element("p", { class: "small" }, texts.get("js.by_browser")),
    steps(verdict, texts),
    element("p", {}, button),
  );
}
