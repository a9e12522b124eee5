/** The typed front of `@std/fmt/colors`, as far as it is used. Without effect under `NO_COLOR`. */

export function bold(text: string): string;
export function dim(text: string): string;
export function red(text: string): string;
export function green(text: string): string;
export function yellow(text: string): string;
