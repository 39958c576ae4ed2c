// A form for one document, new or changed. What somebody else changed meanwhile is not overwritten.
import { collectionPath, documentPath } from "../../api.js";
import { useAction } from "../../calls.js";
import { html, useState } from "../../html.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";

/**
 * @param {{collection: string, about: import("../../types.js").CollectionDetail, document: any, onClose: () => void, onDone: (id: string) => void}} props
 *   `document`: null for a new one
 */
export function DocumentForm({ collection, about, document, onClose, onDone }) {
  const [id, setId] = useState(document?.id || "");
  const [title, setTitle] = useState(document?.title || "");
  const [text, setText] = useState(document?.text || "");
  const [metadata, setMetadata] = useState(JSON.stringify(document?.metadata || {}, null, 2));
  const [act, isActing] = useAction();
  const parsed = parse(metadata);
  const isText = about.kind === "text";
  const input = (/** @type {(text: string) => void} */ set) => (/** @type {any} */ event) => set(event.target.value);

  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const call = isText
      ? putCall(collection, { id, title, text, metadata: parsed.value, document })
      : patchCall(collection, document, parsed.value);
    const answer = await act(call, "Saved");
    if (answer) onDone(answer.documents?.[0]?.id ?? id);
  };
  return html`<${Dialog} title=${document ? "Edit the document" : "New document"} isWide onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      ${!document && html`<${Field} label="Id" hint="Left empty, it is given one. A document with the same id is replaced.">
        ${(/** @type {object} */ a) => html`<input ...${a} name="id" value=${id} onInput=${input(setId)} />`}
      <//>`}
      ${isText && html`
        <${Field} label="Title" hint="Its words count more.">
          ${(/** @type {object} */ a) => html`<input ...${a} name="title" value=${title} onInput=${input(setTitle)} />`}
        <//>
        <${Field} label="Text">
          ${(/** @type {object} */ a) => html`<textarea ...${a} name="text" rows="9" required value=${text} onInput=${input(setText)}></textarea>`}
        <//>`}
      <${Field} label="Metadata" hint="An object in JSON." error=${parsed.error}>
        ${(/** @type {object} */ a) => html`<textarea ...${a} class="mono" name="metadata" rows="6" spellcheck="false" value=${metadata} onInput=${input(setMetadata)}></textarea>`}
      <//>
      <div class="dialog-end">
        <button type="button" onClick=${onClose}>Leave as it is</button>
        <button type="submit" class="primary" disabled=${isActing || Boolean(parsed.error)}>Save</button>
      </div>
    </form>
  <//>`;
}

/** @param {string} collection @param {{id: string, title: string, text: string, metadata: object, document: any}} wanted */
function putCall(collection, { id, title, text, metadata, document }) {
  const one = { ...(id && { id }), ...(title && { title }), text, metadata };
  const kept = document && { revision: document.revision, ...(document.expires_at && { expires_at: document.expires_at }) };
  return { path: collectionPath(collection, "documents"), method: "POST", body: { documents: [{ ...one, ...kept }] } };
}

/** Vectors and pictures are not shown as they are kept, so only the metadata change here. @param {string} collection @param {any} document @param {object} metadata */
function patchCall(collection, document, metadata) {
  const gone = Object.keys(document.metadata || {}).filter((name) => !(name in metadata));
  const body = { metadata: { ...metadata, ...Object.fromEntries(gone.map((name) => [name, null])) } };
  const headers = { "If-Match": `"${document.revision}"` };
  return { path: documentPath(collection, document.id), method: "PATCH", body, headers };
}

/** @param {string} text @returns {{value: object, error?: string}} */
function parse(text) {
  try {
    const value = JSON.parse(text || "{}");
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return isObject ? { value } : { value: {}, error: "It must be an object, as in {\"lang\": \"en\"}." };
  } catch (error) {
    return { value: {}, error: `This is no JSON: ${/** @type {Error} */ (error).message}` };
  }
}

