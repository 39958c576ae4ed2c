// The jobs of a collection: what waits, runs and has ended.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { duration } from "../format.js";
import { html } from "../html.js";
import { Curl } from "../parts/curl.js";
import { Empty } from "../parts/empty.js";
import { JobBody, isUnfinished, nameOf } from "../parts/job_line.js";
import { Moment } from "../parts/moment.js";
import { ProblemNote } from "../parts/problem_note.js";
import { href, setParams } from "../router.js";

const PAGE = 25;
const SOON_MS = 1_000;
const SELDOM_MS = 5_000;
const KINDS = ["retrain", "import", "duplicates", "promote", "rollback", "quality", "delete", "map"];

/** @type {import("../screens.js").ScreenComponent} */
export default function Jobs({ collection, params }) {
  const kind = params.get("kind");
  const cursor = params.get("cursor");
  const call = { path: collectionPath(collection, "jobs"), params: { limit: PAGE, kind, cursor } };
  const first = useCall({ path: collectionPath(collection, "jobs"), params: { limit: 1 } });
  const isBusy = Boolean(first.data?.items.some(isUnfinished));
  const { data, problem } = useCall(call, { everyMs: isBusy ? SOON_MS : SELDOM_MS });
  return html`<div class="jobs stack">
    <header class="head">
      <h1>Jobs</h1>
      <p class="hint">What takes longer than an answer may: learning codes, imports, looking for near duplicates.</p>
      <label class="row soft">Kind
        <select value=${kind || ""} onChange=${(/** @type {any} */ event) => setParams({ kind: event.target.value, cursor: null })}>
          <option value="">all</option>
          ${KINDS.map((one) => html`<option value=${one} selected=${one === kind}>${nameOf({ kind: one })}</option>`)}
        </select>
      </label>
    </header>
    <${ProblemNote} problem=${problem} />
    ${data && data.items.length === 0 && html`<${Empty} title="No jobs"><p>Nothing was asked for yet.</p><//>`}
    ${data && html`<ol class="jobs-list">
      ${data.items.map((/** @type {any} */ job) => html`<li key=${job.id}>
        <${JobBody} job=${job} />
        <p class="jobs-times soft">
          asked for <${Moment} at=${job.created_at} />${tookOf(job)}
          ${job.attempts > 1 && ` · attempt ${job.attempts}: a worker died over it`}
          ${job.kind === "retrain" && html` · <a href=${href(collection, "learning", { job: job.id })}>how it learned</a>`}
        </p>
      </li>`)}
    </ol>`}
    <nav class="row" aria-label="Pages">
      ${cursor && html`<button type="button" onClick=${() => setParams({ cursor: null })}>First page</button>`}
      ${data?.next_cursor && html`<button type="button" onClick=${() => setParams({ cursor: data.next_cursor })}>Earlier jobs</button>`}
    </nav>
    <${Curl} call=${call} />
  </div>`;
}

/** @param {{started_at: string | null, finished_at: string | null}} job */
function tookOf({ started_at, finished_at }) {
  if (!started_at || !finished_at) return "";
  const seconds = (Date.parse(finished_at) - Date.parse(started_at)) / 1_000;
  return ` · took ${seconds < 1 ? "less than a second" : duration(seconds)}`;
}
