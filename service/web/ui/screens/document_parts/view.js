// One document: all of it, its code, what lies nearest, and how to change or delete it.
import { collectionPath, documentPath } from "../../api.js";
import { useAction, useCall } from "../../calls.js";
import { html, useState } from "../../html.js";
import { CodeStrip } from "../../parts/code_strip.js";
import { Curl } from "../../parts/curl.js";
import { Dialog } from "../../parts/dialog.js";
import { Distance } from "../../parts/distance.js";
import { Moment } from "../../parts/moment.js";
import { Picture, usePictures } from "../../parts/picture.js";
import { ProblemNote } from "../../parts/problem_note.js";
import { go, href } from "../../router.js";
import { DocumentForm } from "./form.js";

const N_NEAREST = 6;

/** @param {{collection: string, id: string, about: import("../../types.js").CollectionDetail, onChange: () => void}} props */
export function DocumentView({ collection, id, about, onChange }) {
  const call = { path: documentPath(collection, id) };
  const { data, problem, reload } = useCall(call);
  const [isEdited, setEdited] = useState(false);
  const [isDeleted, setDeleted] = useState(false);
  const done = () => {
    setEdited(false);
    reload();
    onChange();
  };
  return html`<article class="documents stack">
    <p><a href=${href(collection, "documents")}>All documents</a></p>
    <${ProblemNote} problem=${problem} />
    ${data && html`
      <header class="head">
        <h1>${data.title || data.id}</h1>
        <div class="row">
          <a class="button" href=${href(collection, "search", { like: id })}>More like this</a>
          <a class="button" href=${href(collection, "bits", { id })}>Bits</a>
          <button type="button" onClick=${() => setEdited(true)}>Edit</button>
          <button type="button" class="danger" onClick=${() => setDeleted(true)}>Delete</button>
        </div>
      </header>
      <div class="documents-columns">
        <div class="stack">
          <${Picture} image=${data.image} label=${`The picture ${data.id}`} />
          ${data.text && html`<p class="long-text documents-text">${data.text}</p>`}
          <${Members} document=${data} />
        </div>
        <${Nearest} collection=${collection} id=${id} about=${about} />
      </div>
      ${isEdited && html`<${DocumentForm} collection=${collection} about=${about} document=${data} onClose=${() => setEdited(false)} onDone=${done} />`}
      ${isDeleted && html`<${DeleteDocument} collection=${collection} id=${id} onClose=${() => setDeleted(false)} onDone=${onChange} />`}
    `}
    <${Curl} call=${call} />
  </article>`;
}

/** @param {{document: any}} props */
function Members({ document }) {
  const metadata = Object.entries(document.metadata || {});
  return html`<dl class="documents-members">
    <div><dt>id</dt><dd class="mono">${document.id}</dd></div>
    ${metadata.map(([name, value]) => html`<div><dt>${name}</dt><dd>${typeof value === "string" ? value : JSON.stringify(value)}</dd></div>`)}
    <div><dt class="soft">put in</dt><dd><${Moment} at=${document.created_at} /></dd></div>
    <div><dt class="soft">changed</dt><dd><${Moment} at=${document.updated_at} />, revision ${document.revision}</dd></div>
    ${document.expires_at && html`<div><dt class="soft">expires</dt><dd><${Moment} at=${document.expires_at} /></dd></div>`}
  </dl>`;
}

/** @param {{collection: string, id: string, about: import("../../types.js").CollectionDetail}} props */
function Nearest({ collection, id, about }) {
  const call = { path: documentPath(collection, id, "/similar"), params: { k: N_NEAREST, fields: "title" } };
  const { data, problem } = useCall(call);
  const pictures = usePictures(collection, about.kind, (data?.matches || []).map((/** @type {any} */ one) => one.id));
  return html`<aside class="card stack" aria-label="Nearest documents">
    <h2>Nearest by code</h2>
    <${ProblemNote} problem=${problem} />
    ${data && html`
      ${data.code && html`<${CodeStrip} code=${data.code} label=${`The code of this document, ${data.code}`} />`}
      <ol class="stack documents-nearest">
        ${data.matches.map((/** @type {any} */ one) => html`<li>
          <${Picture} image=${pictures.get(one.id)} label=${`The picture ${one.id}`} />
          <a href=${href(collection, "documents", { id: one.id })}>${one.title || one.id}</a>
          <${Distance} distance=${one.distance} n_bits=${about.n_bits} />
        </li>`)}
      </ol>
      ${data.matches.length === 0 && html`<p class="soft">There is no other document.</p>`}
    `}
  </aside>`;
}

/** @param {{collection: string, id: string, onClose: () => void, onDone: () => void}} props */
function DeleteDocument({ collection, id, onClose, onDone }) {
  const [act, isActing] = useAction();
  const remove = async () => {
    const body = { ids: [id] };
    if (!(await act({ path: collectionPath(collection, "documents", "delete"), method: "POST", body }, "Deleted"))) return;
    onDone();
    go(href(collection, "documents"), { replace: true });
  };
  return html`<${Dialog} title="Delete this document?" onClose=${onClose}>
    <p><b>${id}</b> is deleted for good.</p>
    <div class="dialog-end">
      <button type="button" onClick=${onClose}>Keep</button>
      <button type="button" class="danger primary" disabled=${isActing} onClick=${remove}>Delete</button>
    </div>
  <//>`;
}
