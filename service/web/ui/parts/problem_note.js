// A problem where its answer would have been, in words.
import { html } from "../html.js";

/** @param {{problem: import("../api.js").Problem | null}} props */
export function ProblemNote({ problem }) {
  if (!problem || problem.status === 401) return null; // the notice bar asks for the key
  return html`<div class="problem" role="alert">
    <strong>${problem.title}.</strong> <span>${problem.detail}</span>
  </div>`;
}
