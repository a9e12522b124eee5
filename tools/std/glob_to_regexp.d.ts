/** What keepsake uses of `@std/path/posix/glob-to-regexp`. */
export interface GlobOptions {
  readonly extended?: boolean;
  readonly globstar?: boolean;
}

/** The regular expression that matches whole paths as the glob does. */
export declare function globToRegExp(glob: string, options?: GlobOptions): RegExp;
