// A form field with its label, a hint, and what is wrong with it.
import { html, useId } from "../html.js";

/**
 * @param {{label: string, hint?: import("../html.js").Node, error?: string, children: (attributes: {id: string,
 *   "aria-describedby": string | undefined, "aria-invalid": "true" | undefined}) => import("../html.js").Node}} props
 *   `children`: a function that draws the input with these attributes
 */
export function Field({ label, hint, error, children }) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error || hint;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": note ? noteId : undefined, "aria-invalid": error ? "true" : undefined })}
    ${note && html`<p id=${noteId} class=${error ? "field-error" : "hint"}>${note}</p>`}
  </div>`;
}
