// The search box, what it ranks by, and the document that is the query where one is.
import { documentPath } from "../../api.js";
import { useCall } from "../../calls.js";
import { html, useEffect, useRef, useState } from "../../html.js";
import { Choice } from "../../parts/choice.js";
import { href, setParams } from "../../router.js";

const WAIT_MS = 250;
/** @type {[string, string][]} */
const RANKS = [["hybrid", "Words and codes"], ["words", "Words"], ["code", "Codes"]];

/** @param {{collection: string, kind: string | undefined, asked: import("../search.js").Asked}} props */
export function SearchBox({ collection, kind, asked }) {
  const [text, setText] = useState(asked.q);
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  useEffect(() => setText(asked.q), [asked.q]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const ask = (/** @type {string} */ q, /** @type {boolean} */ replace) => {
    clearTimeout(timer.current);
    setParams({ q, like: null, k: null, why: null }, { replace });
  };
  const type = (/** @type {any} */ event) => {
    const q = event.target.value;
    setText(q);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask(q, asked.q !== "" || asked.like === ""), WAIT_MS);
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    ask(text, false);
  };
  return html`<form class="search-box" role="search" onSubmit=${submit}>
    <input
      type="search"
      name="q"
      aria-label=${`Search in ${collection}`}
      placeholder=${kind === "image" ? "Pictures have no words: choose one, and look for others like it" : "What are you looking for?"}
      autocomplete="off"
      spellcheck="false"
      autofocus
      disabled=${kind === "image"}
      value=${text}
      onInput=${type}
    />
    ${asked.like
      ? html`<${LikeDocument} collection=${collection} id=${asked.like} />`
      : kind === "text" && html`<${Choice} label="Rank by" options=${RANKS} value=${asked.rank} onChange=${(/** @type {string} */ rank) => setParams({ rank: rank === "hybrid" ? null : rank, k: null })} />`}
  </form>`;
}

/** @param {{collection: string, id: string}} props */
function LikeDocument({ collection, id }) {
  const { data } = useCall({ path: documentPath(collection, id) });
  return html`<p class="search-like">
    <span>Documents like <a href=${href(collection, "documents", { id })}>${data?.title || id}</a>, by code</span>
    <button type="button" class="quiet" onClick=${() => setParams({ like: null, k: null, why: null })}>Remove</button>
  </p>`;
}
