// One training: how far it is, its curves, its islands, and its log.
import { useAction } from "../calls.js";
import { counted, duration, number, percent } from "../format.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { announce } from "../notices.js";
import { JobState, isUnfinished } from "../parts/job_line.js";
import { ProblemNote } from "../parts/problem_note.js";
import { Progress } from "../parts/progress.js";
import { Tag } from "../parts/tag.js";
import { href } from "../router.js";
import { Curves } from "./curves.js";
import { useTraining } from "./follow.js";
import { Islands } from "./islands.js";
import { Log } from "./log.js";
import { optionsText } from "./options_text.js";

const STAGES = {
  training: "learns from the documents",
  encoding: "gives every document a code",
  evaluating: "judges the new codes",
  ready: "waits until every process has the new codes",
  active: "answers",
};

/** @param {{id: string, collection: string, onEnd: () => void}} props */
export function Run({ id, collection, onEnd }) {
  const { job, records, how, problem } = useTraining(id);
  const [at, setAt] = useState(/** @type {number | null} */ (null)); // the record that is looked at; null: the last
  const stage = useRef("");
  useEffect(() => {
    const now = job && (job.state === "running" ? STAGES[/** @type {keyof typeof STAGES} */ (job.progress.stage)] || "begins" : job.state);
    if (now && stage.current && stage.current !== now) {
      announce(`The training ${now}`);
      if (job.state !== "running") onEnd();
    }
    if (now) stage.current = now;
  }, [job]);

  if (problem) return html`<${ProblemNote} problem=${problem} />`;
  if (!job) return html`<p class="hint">Loading …</p>`;
  const shown = at === null ? records.length - 1 : Math.min(at, records.length - 1);
  return html`<section class="stack" aria-label="The training">
    <${State} job=${job} last=${records.at(-1)} how=${how} collection=${collection} />
    ${records.length === 0
      ? html`<p class="card hint">${nothingYet(job)}</p>`
      : html`<${Islands} collection=${collection} records=${records} shown=${shown} isLast=${at === null} onShow=${setAt} />
          <${Curves} records=${records} shown=${shown} />`}
    <${Log} job=${job} records=${records} />
  </section>`;
}

/** @param {any} job */
function nothingYet(job) {
  if (job.state === "queued") return "It waits for a trainer: one is started with the service, or with nearbit train.";
  if (job.state === "running") return "It reads the documents and looks for their neighbors; curves come with the first steps.";
  return "Nothing was measured, or it is no longer kept: curves are kept of the last 20 trainings.";
}

/** @param {{job: any, last: import("./follow.js").TrainingRecord | undefined, how: import("./follow.js").How, collection: string}} props */
function State({ job, last, how, collection }) {
  const [act, busy] = useAction();
  const { progress } = job;
  const isRunning = isUnfinished(job);
  const cancel = () => act({ path: `/v1/jobs/${job.id}/cancel`, method: "POST" }, "The training is asked to stop.");
  return html`<div class="card stack learning-state">
    <div class="row">
      <h2>${isRunning ? "A training" : "The training"} ${wordsOf(job)}</h2>
      <${JobState} job=${job} />
      ${isRunning && html`<${Tag}>${{ pushed: "live", asked: "asked every 2 s", lost: "no answer", ended: "" }[how]}<//>`}
      <span class="learning-space"></span>
      ${isRunning &&
      html`<button type="button" class="danger" disabled=${busy || job.cancel_requested} onClick=${cancel}>
        ${job.cancel_requested ? "Stopping …" : "Cancel"}
      </button>`}
      ${job.state === "succeeded" && html`<a class="button" href=${href(collection, "spaces")}>Compare code spaces</a>`}
    </div>
    ${isRunning && html`<${HowFar} progress=${progress} last=${last} />`}
    ${job.error && html`<p class=${job.state === "failed" ? "problem" : "hint"}>${job.error}</p>`}
    <p class="hint">${optionsText(job.params)}${job.attempts > 1 ? ` · taken up again ${counted(job.attempts - 1, "time")}` : ""}</p>
    ${(progress.advice || []).map((/** @type {any} */ one) => html`<p class="hint learning-advice">${one.finding}: ${one.remedy}.</p>`)}
  </div>`;
}

/** @param {any} job */
function wordsOf(job) {
  if (job.state === "queued") return "waits";
  if (job.state === "running") return STAGES[/** @type {keyof typeof STAGES} */ (job.progress.stage)] || "begins";
  if (job.state === "succeeded") return job.progress.version ? `made code space ${job.progress.version}` : "has ended";
  return job.state === "failed" ? "changed nothing" : "was cancelled";
}

/** @param {{progress: any, last: import("./follow.js").TrainingRecord | undefined}} props */
function HowFar({ progress, last }) {
  if (progress.total) {
    return html`<${Progress} label="Documents" done=${progress.done} total=${progress.total}>
      ${number(progress.done)} of ${counted(progress.total, "document")}${left(progress.eta_s)}
    <//>`;
  }
  if (!last || progress.stage !== "training") return html`<${Progress} label="At work" />`;
  return html`<${Progress} label="Learned" done=${last.number} total=${100}>
    ${percent(last.number / 100)} · epoch ${last.epoch}${progress.epochs ? ` of ${progress.epochs}` : ""} ·${" "}
    ${last.network < last.networks ? "first network" : "network"} of ${counted(last.n_bits, "bit")}
    ${last.documents_per_s ? ` · ${number(Math.round(last.documents_per_s))} documents a second` : ""}${left(last.eta_s)}
  <//>`;
}

/** @param {number | null | undefined} seconds */
const left = (seconds) => (seconds ? ` · about ${duration(seconds)} left` : "");
