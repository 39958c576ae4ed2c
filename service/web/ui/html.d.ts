// Types of html.js, in place of those that the minified libraries would have.
export type Node = object | string | number | boolean | null | undefined | Node[];
export type Ref<T> = { current: T };

export function html(strings: TemplateStringsArray, ...values: unknown[]): Node;
export function render(node: Node, parent: Element): void;
export const Fragment: (props: { children?: Node }) => Node;
export class Component<P = {}, S = {}> {
  constructor(props: P);
  props: P;
  state: S;
  setState(patch: Partial<S>): void;
  componentDidCatch?(error: unknown): void;
}

export function useState<T>(initial: T | (() => T)): [T, (next: T | ((before: T) => T)) => void];
export function useReducer<S, A>(reducer: (state: S, action: A) => S, initial: S): [S, (action: A) => void];
export function useEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useMemo<T>(make: () => T, inputs: unknown[]): T;
export function useCallback<F extends (...args: any[]) => unknown>(callback: F, inputs: unknown[]): F;
export function useRef<T>(initial: T): Ref<T>;
export function useRef<T>(initial: T | null): Ref<T | null>;
export function useId(): string;
export function useErrorBoundary(callback?: (error: unknown) => void): [unknown, () => void];
