// A form for a new collection.
import { collectionPath } from "../../api.js";
import { useAction } from "../../calls.js";
import { catalogChanged } from "../../catalog.js";
import { html, useState } from "../../html.js";
import { Choice } from "../../parts/choice.js";
import { Curl } from "../../parts/curl.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";
import { go, href } from "../../router.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** @type {[string, string][]} */
const KINDS = [["text", "Texts"], ["image", "Pictures"], ["embedding", "Vectors"]];

/** @param {{onClose: () => void}} props */
export function NewCollection({ onClose }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState("text");
  const [n_bits, setBits] = useState(64);
  const [dims, setDims] = useState("384");
  const [act, isActing] = useAction();
  const isNamed = NAME.test(name);
  const body = { kind, n_bits, ...(kind === "embedding" && { dims: Number(dims) }) };
  const call = { path: collectionPath(name || "NAME"), method: "PUT", body };
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await act(call, `${name} is there`))) return;
    catalogChanged();
    onClose();
    go(href(name, "documents", { view: "put" }));
  };
  return html`<${Dialog} title="New collection" onClose=${onClose}>
    <form class="stack" onSubmit=${make}>
      <${Field} label="Name" hint="Letters, digits, dots, hyphens and underscores." error=${name && !isNamed ? "Up to 64 letters, digits, dots, hyphens and underscores; the first is a letter or a digit." : ""}>
        ${(/** @type {object} */ a) => html`<input ...${a} name="name" required autofocus value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />`}
      <//>
      <div class="field"><span class="field-label">Its documents are</span><${Choice} label="Kind" options=${KINDS} value=${kind} onChange=${setKind} /></div>
      ${kind === "embedding" && html`<${Field} label="Entries of each vector">
        ${(/** @type {object} */ a) => html`<input ...${a} name="dims" type="number" min="1" max="8192" required value=${dims} onInput=${(/** @type {any} */ event) => setDims(event.target.value)} />`}
      <//>`}
      <${Field} label="Bits of a code" hint="64 bits, 8 bytes a document, suit most collections. More bits tell more apart and take longer.">
        ${(/** @type {object} */ a) => html`<input ...${a} name="n_bits" type="number" min="8" max="256" step="8" required value=${n_bits} onInput=${(/** @type {any} */ event) => setBits(Number(event.target.value))} />`}
      <//>
      <${Curl} call=${call} />
      <div class="dialog-end">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${isActing || !isNamed}>Make it</button>
      </div>
    </form>
  <//>`;
}
