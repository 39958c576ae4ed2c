// Code spaces: every version with its state in words, two of them side by side, and what a promotion would change.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { Curl } from "../parts/curl.js";
import { ProblemNote } from "../parts/problem_note.js";
import { setParams } from "../router.js";
import { Figures } from "./figures.js";
import { Judging } from "./judging.js";
import { Preview } from "./preview.js";
import { SpaceList } from "./space_list.js";
import { Timeline } from "./timeline.js";

const EVERY_MS = 5_000;

/** @type {import("../screens.js").ScreenComponent} */
export default function Spaces({ collection, params }) {
  const call = { path: collectionPath(collection, "spaces") };
  const { data, problem, reload } = useCall(call, { everyMs: EVERY_MS });
  const about = useCall({ path: collectionPath(collection) });
  /** @type {any[]} */
  const spaces = data?.items || [];
  const active = spaces.find((one) => one.state === "active");
  const left = chosen(spaces, params.get("a")) || active;
  const right = chosen(spaces, params.get("b")) || spaces.find((one) => one !== left && one.digest);
  const previewed = chosen(spaces, params.get("preview"));

  if (problem) return html`<${ProblemNote} problem=${problem} />`;
  if (!data) return html`<p class="loading">Loading …</p>`;
  return html`<div class="spaces stack">
    <header class="head">
      <h1>Code spaces</h1>
      <p class="hint">
        Each training makes a code space: a way to give codes, and the code of each document. One answers; another can take its place at any
        time, and the one before is kept.
      </p>
    </header>
    <${SpaceList} collection=${collection} spaces=${spaces} models=${about.data?.kind === "embedding"} onChanged=${reload} />
    <${Timeline} spaces=${spaces} />
    ${previewed && active && html`<${Preview} key=${previewed.version} collection=${collection} space=${previewed} active=${active} onChanged=${reload} />`}
    ${left &&
    html`<section class="card stack" aria-label="Side by side">
      <div class="row">
        <h2>Side by side</h2>
        <${Pick} label="One" spaces=${spaces} value=${left} onChange=${(/** @type {string} */ version) => setParams({ a: version }, { replace: true })} />
        ${right && html`<${Pick} label="The other" spaces=${spaces} value=${right} onChange=${(/** @type {string} */ version) => setParams({ b: version }, { replace: true })} />`}
      </div>
      ${!left.report && !right?.report
        ? html`<p class="hint">An untrained space has no report: ${counted(spaces.length, "version")} so far.</p>`
        : html`<${Figures} spaces=${right ? [left, right] : [left]} />`}
      <${Judging} collection=${collection} spaces=${right ? [left, right] : [left]} />
    </section>`}
    <${Curl} call=${previewed ? { path: collectionPath(collection, "spaces", String(previewed.version), "preview") } : call} />
  </div>`;
}

/** @param {any[]} spaces @param {string | null} version */
const chosen = (spaces, version) => (version ? spaces.find((one) => one.version === Number(version)) : undefined);

/** @param {{label: string, spaces: any[], value: any, onChange: (version: string) => void}} props */
function Pick({ label, spaces, value, onChange }) {
  return html`<label class="row">
    <span class="spoken">${label}</span>
    <select value=${String(value.version)} onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>
      ${spaces.map((one) => html`<option value=${String(one.version)} selected=${one === value}>${one.version} · ${one.variant} · ${one.state}</option>`)}
    </select>
  </label>`;
}
