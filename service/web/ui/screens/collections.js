// Collections: what there is, and how to make one, change its settings, and delete it.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { catalog } from "../catalog.js";
import { number } from "../format.js";
import { html, useState } from "../html.js";
import { Curl } from "../parts/curl.js";
import { Empty } from "../parts/empty.js";
import { Moment } from "../parts/moment.js";
import { ProblemNote } from "../parts/problem_note.js";
import { Tag } from "../parts/tag.js";
import { href, setParams } from "../router.js";
import { useStore } from "../store.js";
import { DeleteCollection } from "./collection_parts/delete.js";
import { NewCollection } from "./collection_parts/new.js";
import { Settings } from "./collection_parts/settings.js";

const PAGE = 50;

/** @type {import("../screens.js").ScreenComponent} */
export default function Collections({ params }) {
  const cursor = params.get("cursor");
  const call = { path: "/v1/collections", params: { limit: PAGE, cursor } };
  const { data, problem } = useCall(call, { again: useStore(catalog).generation });
  const [isNew, setNew] = useState(false);
  return html`<div class="collections stack">
    <header class="head">
      <h1>Collections</h1>
      <p class="hint">Each has its own documents, codes and words.</p>
      <button type="button" class="primary" onClick=${() => setNew(true)}>New collection</button>
    </header>
    <${ProblemNote} problem=${problem} />
    ${data && data.items.length === 0 && html`<${Empty} title="No collection yet">
      <p>A collection holds documents of one kind: texts, pictures, or vectors that some model made. It answers from its first document on.</p>
    <//>`}
    ${data && html`<ul class="collections-list">
      ${data.items.map((/** @type {any} */ one) => html`<${Collection} key=${one.name} collection=${one} />`)}
    </ul>`}
    ${data?.next_cursor && html`<p><button type="button" onClick=${() => setParams({ cursor: data.next_cursor })}>Next page</button></p>`}
    ${isNew && html`<${NewCollection} onClose=${() => setNew(false)} />`}
    <${Curl} call=${call} />
  </div>`;
}

/** @param {{collection: import("../types.js").Collection}} props */
function Collection({ collection }) {
  const { name } = collection;
  const { data, reload } = useCall({ path: collectionPath(name) });
  const [open, setOpen] = useState(/** @type {"" | "settings" | "delete"} */ (""));
  return html`<li class="card">
    <div class="row">
      <h2><a href=${href(name, "search")}>${name}</a></h2>
      <${Tag}>${collection.kind}<//>
      <${Tag}>${collection.n_bits} bits<//>
      ${data?.replica.error && html`<${Tag} tone="bad" title=${data.replica.error}>damaged<//>`}
      <span class="space"></span>
      <button type="button" class="link" disabled=${!data} onClick=${() => setOpen("settings")}>Settings</button>
      <button type="button" class="link collections-delete" disabled=${!data} onClick=${() => setOpen("delete")}>Delete</button>
    </div>
    ${data && html`<p class="soft">
      ${number(data.n_documents)} documents · ${codesOf(data)} · made <${Moment} at=${collection.created_at} />
    </p>
    ${data.retrain_advised.map((/** @type {string} */ why) => html`<p class="collections-advice"><${Tag} tone="warn">retrain advised<//> ${why}. <a href=${href(name, "learning")}>Learn codes</a></p>`)}`}
    ${open === "settings" && html`<${Settings} about=${data} onClose=${() => setOpen("")} onDone=${reload} />`}
    ${open === "delete" && html`<${DeleteCollection} about=${data} onClose=${() => setOpen("")} />`}
  </li>`;
}

/** @param {import("../types.js").CollectionDetail} about */
function codesOf(about) {
  return about.space.version === 1 ? "codes not learned yet" : `code space ${about.space.version}`;
}
