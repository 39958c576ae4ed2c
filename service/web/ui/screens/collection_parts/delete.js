// Deleting a collection: only after its name was typed.
import { collectionPath } from "../../api.js";
import { useAction } from "../../calls.js";
import { catalogChanged } from "../../catalog.js";
import { counted } from "../../format.js";
import { html, useState } from "../../html.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";

/** @param {{about: import("../../types.js").CollectionDetail, onClose: () => void}} props */
export function DeleteCollection({ about, onClose }) {
  const [typed, setTyped] = useState("");
  const [act, isActing] = useAction();
  const remove = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await act({ path: collectionPath(about.name), method: "DELETE" }, `${about.name} is deleted`))) return;
    if (sessionStorage.getItem("nearbit.collection") === about.name) sessionStorage.removeItem("nearbit.collection");
    onClose();
    catalogChanged();
  };
  return html`<${Dialog} title=${`Delete ${about.name}?`} onClose=${onClose}>
    <form class="stack" onSubmit=${remove}>
      <p>${counted(about.n_documents, "document")}, all codes and all jobs of it are deleted for good.</p>
      <${Field} label="Type its name to delete it">
        ${(/** @type {object} */ a) => html`<input ...${a} name="name" autocomplete="off" autofocus value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />`}
      <//>
      <div class="dialog-end">
        <button type="button" onClick=${onClose}>Keep</button>
        <button type="submit" class="danger primary" disabled=${isActing || typed !== about.name}>Delete</button>
      </div>
    </form>
  <//>`;
}
