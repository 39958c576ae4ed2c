// One of a few, as a row of radio buttons that look like one control.
import { html, useId } from "../html.js";

/**
 * @param {{label: string, options: [string, string][], value: string, onChange: (value: string) => void}} props
 *   `options`: value and title of each
 */
export function Choice({ label, options, value, onChange }) {
  const name = useId();
  return html`<fieldset class="choice">
    <legend class="spoken">${label}</legend>
    ${options.map(
      ([one, title]) => html`<label class=${one === value ? "chosen" : ""}>
        <input type="radio" name=${name} value=${one} checked=${one === value} onChange=${() => onChange(one)} />
        ${title}
      </label>`,
    )}
  </fieldset>`;
}
