// A form for a new key. Its text is shown once: the service keeps a digest of it.
import { useAction } from "../../calls.js";
import { changeKey } from "../../connection.js";
import { html, useState } from "../../html.js";
import { Choice } from "../../parts/choice.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";

/** @type {[string, string][]} */
const SCOPES = [["read", "Read"], ["write", "Read and write"], ["admin", "Everything"]];

/** @param {{isFirst: boolean, onClose: () => void, onDone: () => void}} props */
export function NewKey({ isFirst, onClose, onDone }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState(isFirst ? "admin" : "read");
  const [collections, setCollections] = useState("");
  const [made, setMade] = useState("");
  const [act, isActing] = useAction();
  const names = collections.split(",").map((one) => one.trim()).filter(Boolean);
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const body = { name, scopes: [scope], collections: names.length ? names : null };
    const answer = await act({ path: "/v1/keys", method: "POST", body });
    if (!answer) return;
    setMade(answer.key);
    if (isFirst && scope === "admin" && names.length === 0) await changeKey(answer.key);
    onDone();
  };
  if (made) return html`<${MadeKey} text=${made} name=${name} onClose=${onClose} />`;
  return html`<${Dialog} title="New key" onClose=${onClose}>
    <form class="stack" onSubmit=${make}>
      ${isFirst && html`<p class="problem">This is the first key: from then on every call needs one. If it may do everything, this tab uses it.</p>`}
      <${Field} label="Name" hint="What people know it by.">
        ${(/** @type {object} */ a) => html`<input ...${a} name="name" required maxlength="200" autofocus value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />`}
      <//>
      <div class="field"><span class="field-label">It may</span><${Choice} label="What the key may do" options=${SCOPES} value=${scope} onChange=${setScope} /></div>
      <${Field} label="Only for these collections" hint="Names with commas between them; left empty: all.">
        ${(/** @type {object} */ a) => html`<input ...${a} name="collections" value=${collections} onInput=${(/** @type {any} */ event) => setCollections(event.target.value)} />`}
      <//>
      <div class="dialog-end">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${isActing || !name}>Make it</button>
      </div>
    </form>
  <//>`;
}

/** @param {{text: string, name: string, onClose: () => void}} props */
function MadeKey({ text, name, onClose }) {
  return html`<${Dialog} title=${`The key ${name}`} onClose=${onClose}>
    <p>Copy it now: it is not to be had again.</p>
    <p><code class="service-key" tabindex="0">${text}</code></p>
    <div class="dialog-end"><button type="button" class="primary" onClick=${onClose}>I have it</button></div>
  <//>`;
}
