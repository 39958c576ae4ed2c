// Preact, its hooks and htm under one roof: the only module that imports what is vendored.
import { Component, Fragment, createElement, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Component, Fragment, render };
export {
  useCallback, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "./vendor/hooks.js";

export const html = htm.bind(createElement);
