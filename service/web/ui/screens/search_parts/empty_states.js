// What the search shows before there is a query, and when nothing was found.
import { collectionPath } from "../../api.js";
import { useCall } from "../../calls.js";
import { number } from "../../format.js";
import { html } from "../../html.js";
import { Empty } from "../../parts/empty.js";
import { Picture } from "../../parts/picture.js";
import { href, setParams } from "../../router.js";

const N_EXAMPLES = 8;
const SAMPLE = 200;

/** @param {{collection: string, about: import("../../types.js").CollectionDetail}} props */
export function Beginning({ collection, about }) {
  if (about.n_documents === 0) {
    return html`<${Empty} title="This collection is empty">
      <p>Documents that you put in can be found at once.</p>
      <a class="button" href=${href(collection, "documents")}>Put in documents</a>
    <//>`;
  }
  return html`<${Examples} collection=${collection} about=${about} />`;
}

/** @param {{collection: string, about: import("../../types.js").CollectionDetail}} props */
function Examples({ collection, about }) {
  const { data } = useCall({ path: collectionPath(collection, "documents"), params: { limit: SAMPLE } });
  const step = Math.max(1, Math.floor((data?.items.length || 0) / N_EXAMPLES));
  const examples = (data?.items || []).filter((/** @type {any} */ _, /** @type {number} */ n) => n % step === 0).slice(0, N_EXAMPLES);
  const isOfPictures = about.kind === "image";
  return html`<${Empty} title=${`${number(about.n_documents)} documents`}>
    <p>
      ${!isOfPictures && html`Type what you look for: single words, <code>"a phrase"</code>, <code>+must</code>, <code>-not</code>, <code>begin*</code>. Or begin`}
      ${isOfPictures && "Begin"} with a document, and look for others like it:
    </p>
    <ul class="row search-examples">
      ${examples.map((/** @type {any} */ one) => html`<li>
        <a class="button" href=${href(collection, "search", { like: one.id })}>
          ${one.image ? html`<${Picture} image=${one.image} label=${`Like ${one.id}`} />` : one.title || one.id}
        </a>
      </li>`)}
    </ul>
    ${about.space.version === 1 &&
    html`<p>The codes are not learned yet${!isOfPictures && ": they know words and no meaning"}. <a href=${href(collection, "learning")}>Learn codes</a></p>`}
  <//>`;
}

/** @param {{asked: import("../search.js").Asked, data: any}} props */
export function NothingFound({ asked, data }) {
  return html`<${Empty} title="Nothing found">
    ${asked.where.length > 0 && html`<p>No document passes the filters and fits the query.</p>
      <button type="button" onClick=${() => setParams({ where: null })}>Remove the filters</button>`}
    ${asked.q && asked.rank !== "code" && data.known !== false &&
    html`<p>No document has these words. The codes can still tell which documents are about something like it.</p>
      <button type="button" onClick=${() => setParams({ rank: "code" })}>Rank by codes</button>`}
    ${data.known === false && html`<p>No document has these words, and the codes do not know them, either. Try others.</p>`}
  <//>`;
}
