// Put in documents: drop a file, look at what it holds, and watch it being imported; or write one by hand.
import { collectionPath } from "../../api.js";
import { useAction } from "../../calls.js";
import { size } from "../../format.js";
import { html, useRef, useState } from "../../html.js";
import { notify } from "../../notices.js";
import { Curl } from "../../parts/curl.js";
import { JobLine } from "../../parts/job_line.js";
import { go, href, setParams } from "../../router.js";
import { guessColumns } from "./csv.js";
import { DocumentForm } from "./form.js";
import { linesOf, look } from "./upload.js";

/** @param {{collection: string, about: import("../../types.js").CollectionDetail, job: string | null, onChange: () => void}} props */
export function Import({ collection, about, job, onChange }) {
  const [upload, setUpload] = useState(/** @type {import("./upload.js").Upload | null} */ (null));
  const [isNew, setNew] = useState(false);
  const chosen = async (/** @type {File | undefined} */ file) => {
    if (!file) return;
    setParams({ job: null }, { replace: true });
    try {
      setUpload(await look(file));
    } catch (error) {
      notify(`${file.name} cannot be read: ${/** @type {Error} */ (error).message}`);
    }
  };
  const written = (/** @type {string} */ id) => {
    onChange();
    go(href(collection, "documents", { id }));
  };
  return html`<div class="stack">
    ${about.kind === "text" && html`<${DropZone} onFile=${chosen} />`}
    ${about.kind !== "text" && html`<p class="hint">Lines of JSON are taken here, each with its ${about.kind === "image" ? "image as base64" : "vector"}. Files of vectors and pictures go through the command line: nearbit import.</p><${DropZone} onFile=${chosen} />`}
    ${upload && html`<${Chosen} key=${upload.file.name} collection=${collection} upload=${upload} onAway=${() => setUpload(null)} />`}
    ${job && html`<div class="card"><${JobLine} key=${job} id=${job} onEnd=${onChange} /></div>`}
    ${about.kind === "text" && html`<p><button type="button" onClick=${() => setNew(true)}>Write one document by hand</button></p>`}
    ${isNew && html`<${DocumentForm} collection=${collection} about=${about} document=${null} onClose=${() => setNew(false)} onDone=${written} />`}
    <${Curl} call=${{ path: collectionPath(collection, "import"), method: "POST", body: new Blob() }} />
  </div>`;
}

/** @param {{onFile: (file: File | undefined) => void}} props */
function DropZone({ onFile }) {
  const [isOver, setOver] = useState(false);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    onFile(event.dataTransfer?.files[0]);
  };
  const over = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(true);
  };
  return html`<div class=${`drop ${isOver ? "drop-over" : ""}`} onDragOver=${over} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <p><b>Drop a file here</b>: lines of JSON (.jsonl), a list in JSON, or CSV</p>
    <p class="hint">A document has a <code>text</code>, and may have an <code>id</code>, a <code>title</code> and <code>metadata</code>.</p>
    <button type="button" onClick=${() => input.current?.click()}>Choose a file</button>
    <input ref=${input} class="spoken" type="file" tabindex="-1" aria-label="File with documents" accept=".jsonl,.ndjson,.json,.csv,.tsv,.txt" onChange=${(/** @type {any} */ event) => onFile(event.target.files[0])} />
  </div>`;
}

/** @param {{collection: string, upload: import("./upload.js").Upload, onAway: () => void}} props */
function Chosen({ collection, upload, onAway }) {
  const [columns, setColumns] = useState(guessColumns(upload.header));
  const [act, isActing] = useAction();
  const [isRead, setRead] = useState(false);
  const send = async () => {
    setRead(true);
    try {
      const body = await linesOf(upload, columns);
      const headers = { "Content-Type": "application/x-ndjson" };
      const job = await act({ path: collectionPath(collection, "import"), method: "POST", body, headers });
      if (!job) return;
      onAway();
      setParams({ view: "put", job: job.id }, { replace: true });
    } catch (error) {
      notify(`${upload.file.name} cannot be read: ${/** @type {Error} */ (error).message}`);
    } finally {
      setRead(false);
    }
  };
  return html`<section class="card stack" aria-label="The file">
    <h2>${upload.file.name} <span class="soft">${size(upload.file.size)}</span></h2>
    ${upload.form === "csv" && html`<${Columns} header=${upload.header} columns=${columns} onChange=${setColumns} />`}
    <ol class="upload-first">
      ${upload.first.map((one) => html`<li class="long-text cut cut-2"><b>${one.title || one.id || ""}</b> ${String(one.text ?? "").slice(0, 300)}</li>`)}
    </ol>
    <div class="row">
      <button type="button" class="primary" disabled=${isActing || isRead} onClick=${send}>${isActing ? "Sending …" : "Import"}</button>
      <button type="button" onClick=${onAway}>Leave it</button>
    </div>
  </section>`;
}

/** @param {{header: string[], columns: {id: string, title: string, text: string}, onChange: (columns: any) => void}} props */
function Columns({ header, columns, onChange }) {
  const members = /** @type {("id" | "title" | "text")[]} */ (["text", "title", "id"]);
  return html`<div class="row">
    ${members.map((member) => html`<label class="row">${member}
      <select value=${columns[member]} onChange=${(/** @type {any} */ event) => onChange({ ...columns, [member]: event.target.value })}>
        ${member !== "text" && html`<option value="">no column</option>`}
        ${header.map((name) => html`<option value=${name} selected=${name === columns[member]}>${name}</option>`)}
      </select>
    </label>`)}
    <span class="hint">All other columns become metadata.</span>
  </div>`;
}
