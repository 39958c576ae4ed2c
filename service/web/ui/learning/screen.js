// Learning: start a training, watch it as it runs, and look at those before.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { counted } from "../format.js";
import { html } from "../html.js";
import { Curl } from "../parts/curl.js";
import { Empty } from "../parts/empty.js";
import { JobState } from "../parts/job_line.js";
import { Moment } from "../parts/moment.js";
import { ProblemNote } from "../parts/problem_note.js";
import { href } from "../router.js";
import { Run } from "./run.js";
import { Start } from "./start.js";
import { optionsText } from "./options_text.js";

const EVERY_MS = 5_000;
const MOST = 20;

/** @type {import("../screens.js").ScreenComponent} */
export default function Learning({ collection, params }) {
  const about = useCall({ path: collectionPath(collection) });
  const call = { path: collectionPath(collection, "jobs"), params: { kind: "retrain", limit: MOST } };
  const found = useCall(call, { everyMs: EVERY_MS });
  const jobs = found.data?.items || [];
  const id = params.get("job") || jobs[0]?.id || null;
  const running = jobs.find((/** @type {any} */ job) => ["queued", "running"].includes(job.state));

  if (about.problem) return html`<${ProblemNote} problem=${about.problem} />`;
  return html`<div class="learning stack">
    <header class="head">
      <h1>Learning</h1>
      <p class="hint">
        A training reads ${about.data ? counted(about.data.n_documents, "document") : "the documents"}, learns which belong together, and gives
        each a code anew. What it learned answers only if it is no worse than before.
      </p>
    </header>
    <${Start} collection=${collection} about=${about.data} running=${running} onStarted=${found.reload} />
    <${ProblemNote} problem=${found.problem} />
    ${id && html`<${Run} key=${id} id=${id} collection=${collection} onEnd=${found.reload} />`}
    ${found.data && !id && html`<${Empty} title="Nothing was learned here yet"><p>Documents have codes of their words alone. Start a training above.</p><//>`}
    ${jobs.length > 1 && html`<${Earlier} collection=${collection} jobs=${jobs} current=${id} />`}
    <${Curl} call=${id ? { path: `/v1/jobs/${id}/events` } : call} />
  </div>`;
}

/** @param {{collection: string, jobs: any[], current: string | null}} props */
function Earlier({ collection, jobs, current }) {
  return html`<section class="stack">
    <h2>Trainings</h2>
    <ul class="learning-list">
      ${jobs.map(
        (job) => html`<li key=${job.id}>
          <a href=${href(collection, "learning", { job: job.id })} aria-current=${job.id === current ? "true" : undefined}>
            <${Moment} at=${job.created_at} />
            <${JobState} job=${job} />
            <span class="soft">${optionsText(job.params)}${job.progress.version ? ` · code space ${job.progress.version}` : ""}</span>
          </a>
        </li>`,
      )}
    </ul>
  </section>`;
}
