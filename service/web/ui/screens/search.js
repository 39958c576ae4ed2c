// Search: a box, results with their distances and reasons, filters with counts, and how each ranking orders them.
import { collectionPath, documentPath } from "../api.js";
import { useCall } from "../calls.js";
import { useFields } from "../fields.js";
import { number } from "../format.js";
import { html, useEffect, useMemo } from "../html.js";
import { announce } from "../notices.js";
import { Curl } from "../parts/curl.js";
import { Facets } from "../parts/facets.js";
import { ProblemNote } from "../parts/problem_note.js";
import { href, setParams } from "../router.js";
import { SearchBox } from "./search_parts/box.js";
import { Beginning, NothingFound } from "./search_parts/empty_states.js";
import { useRankings } from "./search_parts/rankings.js";
import { Results } from "./search_parts/results.js";

const PAGE = 10;
const MOST = 100;

/** @type {import("../screens.js").ScreenComponent} */
export default function Search({ collection, params }) {
  const about = useCall({ path: collectionPath(collection) });
  const fields = useFields(collection);
  const asked = useMemo(() => readParams(params), [params]);
  const call = about.data && fields ? callOf(collection, asked, fields) : null;
  const found = useCall(call);
  const rankings = useRankings(collection, about.data?.kind, asked);
  const n_shown = found.data?.matches.length ?? 0;
  const n_matching = found.data?.work.matching ?? n_shown;

  useEffect(() => {
    if (found.data && !found.isOld) announce(`${n_shown} of ${n_matching} results`);
  }, [found.data]);

  if (about.problem) return html`<${ProblemNote} problem=${about.problem} />`;
  return html`<div class="search stack">
    <h1 class="spoken">Search in ${collection}</h1>
    <${SearchBox} collection=${collection} kind=${about.data?.kind} asked=${asked} />
    <${ProblemNote} problem=${found.problem} />
    ${!call && about.data && fields && html`<${Beginning} collection=${collection} about=${about.data} />`}
    ${about.data && found.data && call &&
    html`<${Notes} collection=${collection} data=${found.data} n_shown=${n_shown} n_matching=${n_matching} asked=${asked} />
      ${n_shown === 0 && html`<${NothingFound} asked=${asked} data=${found.data} />`}
      <div class=${`search-body ${found.isOld ? "search-old" : ""}`}>
        <aside aria-label="Filters"><${Facets} facets=${found.data.facets} where=${asked.where} n_matching=${n_matching} /></aside>
        <div class="stack">
          <${Results} collection=${collection} data=${found.data} asked=${asked} call=${call} rankings=${rankings} about=${about.data} />
          ${n_shown === asked.k && asked.k < MOST && n_matching > n_shown && html`<${More} k=${asked.k} />`}
        </div>
      </div>`}
    <${Curl} call=${call} />
  </div>`;
}

/** @typedef {{q: string, like: string, rank: string, where: string[], k: number, why: string}} Asked */

/** @param {URLSearchParams} params @returns {Asked} */
function readParams(params) {
  const rank = params.get("rank") || "hybrid";
  const k = Math.min(MOST, Math.max(1, Number(params.get("k")) || PAGE));
  return {
    q: params.get("q") || "",
    like: params.get("like") || "",
    rank: ["hybrid", "words", "code"].includes(rank) ? rank : "hybrid",
    where: params.getAll("where"),
    k,
    why: params.get("why") || "",
  };
}

/** @param {string} collection @param {Asked} asked @param {string[]} fields @returns {import("../api.js").Call | null} */
function callOf(collection, asked, fields) {
  const common = { k: asked.k, where: asked.where, facets: fields.length ? fields.join(",") : null };
  if (asked.like) return { path: documentPath(collection, asked.like, "/similar"), params: common };
  if (!asked.q.trim()) return null;
  const rank = asked.rank === "hybrid" ? null : asked.rank;
  return { path: collectionPath(collection, "search"), params: { q: asked.q, rank, ...common, highlight: true } };
}

/** @param {{collection: string, data: any, n_shown: number, n_matching: number, asked: Asked}} props */
function Notes({ collection, data, n_shown, n_matching, asked }) {
  const corrected = Object.entries(data.corrected || {});
  const isByCode = asked.like || asked.rank === "code";
  const shown = isByCode ? `The ${number(n_shown)} nearest by code` : `The ${number(n_shown)} best of ${number(n_matching)} with a word of the query`;
  return html`<p class="search-notes">
    ${n_shown > 0 && html`<span>${shown}</span>`}
    ${corrected.map(([typed, meant]) => html`<span>Nothing has “${typed}”: looked for <b>${[meant].flat().join(", ")}</b></span>`)}
    ${data.known === false && n_shown > 0 && html`<span>The codes know none of these words</span>`}
    ${data.partial?.length > 0 && html`<span>Words are still being read: codes alone answered</span>`}
    ${!data.exact && html`<span>Not all could be read</span>`}
    <span class="soft">code space ${data.space.version}</span>
    ${n_shown > 0 && html`<a href=${href(collection, "map", { q: asked.q, like: asked.like, rank: asked.rank === "hybrid" ? null : asked.rank, where: asked.where })}>Show on the map</a>`}
  </p>`;
}

/** @param {{k: number}} props */
function More({ k }) {
  return html`<button type="button" onClick=${() => setParams({ k: Math.min(MOST, k + 20) }, { replace: true })}>Show more</button>`;
}
