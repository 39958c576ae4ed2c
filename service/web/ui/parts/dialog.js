// A dialog: the browser keeps the focus in it, and Escape closes it.
import { html, useEffect, useId, useRef } from "../html.js";

/** @param {{title: string, onClose: () => void, isWide?: boolean, children: import("../html.js").Node}} props */
export function Dialog({ title, onClose, isWide = false, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const closeOutside = (/** @type {any} */ event) => {
    if (event.target === element.current) onClose();
  };
  return html`<dialog ref=${element} class=${isWide ? "wide" : ""} aria-labelledby=${titleId} onClose=${onClose} onClick=${closeOutside}>
    <div class="dialog-body">
      <header>
        <h2 id=${titleId}>${title}</h2>
        <button type="button" class="quiet icon" aria-label="Close" onClick=${onClose}>✕</button>
      </header>
      ${children}
    </div>
  </dialog>`;
}
