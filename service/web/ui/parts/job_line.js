// A job as it goes on: what it does in words, how far it is, how it ended, and the lines that an import refused.
import { useAction, useCall } from "../calls.js";
import { counted, duration, number, percent, size } from "../format.js";
import { html, useEffect, useRef } from "../html.js";
import { Progress } from "./progress.js";
import { RefusedLines } from "./refused_lines.js";
import { Tag } from "./tag.js";

const LOOK_EVERY_MS = 700;

/** @typedef {{id: string, kind: string, state: string, progress: Record<string, any>, error: string | null, cancel_requested: boolean,
 *   params: Record<string, any>, created_at: string, started_at: string | null, finished_at: string | null}} Job */

/** @type {Record<string, "plain" | "good" | "bad" | "warn" | "accent">} */
const TONES = { queued: "plain", running: "accent", succeeded: "good", failed: "bad", cancelled: "warn" };

/** Whether a job goes on. @param {{state: string}} job */
export const isUnfinished = (job) => job.state === "queued" || job.state === "running";

/** The state of a job. @param {{job: Job}} props */
export function JobState({ job }) {
  const text = isUnfinished(job) && job.cancel_requested ? "being cancelled" : job.state;
  return html`<${Tag} tone=${TONES[job.state]}>${text}<//>`;
}

/** A job that is looked at until it ends. @param {{id: string, onEnd?: (job: Job) => void}} props */
export function JobLine({ id, onEnd }) {
  const found = useCall({ path: `/v1/jobs/${id}` }, { everyMs: LOOK_EVERY_MS });
  const job = /** @type {Job | null} */ (found.data);
  const isTold = useRef(false);
  useEffect(() => {
    if (job && !isUnfinished(job) && !isTold.current) {
      isTold.current = true;
      onEnd?.(job);
    }
  }, [job]);
  return job ? html`<${JobBody} job=${job} />` : html`<p class="loading">Asking …</p>`;
}

/** @param {{job: Job}} props */
export function JobBody({ job }) {
  const [act, isActing] = useAction();
  return html`<div class="job">
    <div class="row">
      <b>${nameOf(job)}</b> <${JobState} job=${job} />
      <span class="soft">${sentenceOf(job)}</span>
      ${isUnfinished(job) && html`<button type="button" disabled=${isActing || job.cancel_requested} onClick=${() => act({ path: `/v1/jobs/${job.id}/cancel`, method: "POST" }, "Asked to stop")}>Cancel</button>`}
    </div>
    ${isUnfinished(job) && html`<${Progress} label=${nameOf(job)} ...${amountOf(job)} />`}
    ${job.error && html`<p class="problem">${job.error}</p>`}
    ${job.kind === "import" && job.progress.refused > 0 && html`<${RefusedLines} job=${job} />`}
  </div>`;
}

/** @type {Record<string, string>} */
const NAMES = {
  retrain: "Learning codes", promote: "Promoting", rollback: "Rolling back", prune: "Deleting old codes", delete: "Deleting documents",
  duplicates: "Looking for near duplicates", import: "Importing", quality: "Judging codes", map: "Drawing the map",
};

/** What a job does, in words. @param {{kind: string}} job */
export const nameOf = (job) => NAMES[job.kind] || job.kind;

/** How far a job is. @param {Job} job @returns {{done?: number, total?: number, children?: string}} */
function amountOf({ progress, state }) {
  if (state === "queued") return { children: "waits for its turn" };
  const { done, total, epoch, epochs, stage, eta_s } = progress;
  const share = stage === "training" && epochs ? { done: epoch, total: epochs } : { done, total };
  const left = eta_s ? `, ${duration(eta_s)} left` : "";
  return { ...share, children: `${stage || ""}${share.total ? ` ${percent((share.done || 0) / share.total)}` : ""}${left}` };
}

/** @param {Job} job */
function sentenceOf({ kind, progress, params }) {
  if (kind === "import" && progress.lines !== undefined) {
    const bytes = progress.total ? `, ${size(progress.done || 0)} of ${size(progress.total)}` : "";
    return `${counted(progress.lines, "line")}${bytes}: ${number(progress.stored || 0)} stored, ${number(progress.created || 0)} of them new, ${number(progress.refused || 0)} refused`;
  }
  if (kind === "duplicates" && progress.groups !== undefined) return `${counted(progress.groups, "group")} of ${counted(progress.documents, "document")}`;
  if (kind === "delete" && progress.deleted !== undefined) return `${number(progress.deleted)} of ${number(progress.total || 0)} deleted`;
  if (kind === "retrain" && progress.version) return `code space ${progress.version}`;
  return params.variant || "";
}
