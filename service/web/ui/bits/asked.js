// What the code is of: a text, a document or a code, and the document that stands beside it.
import { html, useState } from "../html.js";
import { Choice } from "../parts/choice.js";
import { setParams } from "../router.js";

/** @type {Record<string, string>} */
const PLACEHOLDERS = { q: "Try a text of your own", id: "Id of a document", code: "A code, in hexadecimal" };

/** @param {{kind: string | undefined, source: import("./screen.js").Source, other: string}} props `kind` of the collection */
export function Asked({ kind, source, other }) {
  const [by, setBy] = useState(/** @type {string} */ (source.kind));
  const [typed, setTyped] = useState(source.value);
  const [beside, setBeside] = useState(other);
  const all = /** @type {[string, string][]} */ ([["q", "Text"], ["id", "Document"], ["code", "Code"]]);
  const options = all.filter(([one]) => one !== "q" || kind === "text" || kind === undefined);
  const choose = (/** @type {string} */ one) => {
    setBy(one);
    setTyped(one === source.kind ? source.value : "");
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const none = { q: null, id: null, code: null, flip: null };
    setParams({ ...none, [by]: typed.trim(), with: by === "id" ? beside.trim() : null });
  };
  return html`<form class="card bits-asked" onSubmit=${submit}>
    <${Choice} label="The code of" options=${options} value=${by} onChange=${choose} />
    <input type="text" aria-label=${PLACEHOLDERS[by]} placeholder=${PLACEHOLDERS[by]} value=${typed} spellcheck="false"
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />
    ${by === "id" &&
    html`<input type="text" aria-label="Id of a document to put beside it" placeholder="Beside it: another id" value=${beside} spellcheck="false"
      onInput=${(/** @type {any} */ event) => setBeside(event.target.value)} />`}
    <button type="submit" class="primary" disabled=${!typed.trim()}>Show</button>
  </form>`;
}
