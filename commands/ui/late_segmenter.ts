/**
 * Has `Intl.Segmenter` read its rules when the first text is cut up, not when one is made.
 *
 * The command line library makes one when it is imported and uses it for help pages alone; reading
 * the rules takes 17 ms (Deno 2.9.6), which would be half of the time that any command starts in.
 * To be imported before that library: this is the one module that does something by being imported.
 *
 * @module
 */
const { Segmenter } = Intl;

class LateSegmenter implements Intl.Segmenter {
  readonly #parameters: ConstructorParameters<typeof Segmenter>;
  #real: Intl.Segmenter | undefined;

  constructor(...parameters: ConstructorParameters<typeof Segmenter>) {
    this.#parameters = parameters;
  }

  static supportedLocalesOf(...parameters: Parameters<typeof Segmenter.supportedLocalesOf>) {
    return Segmenter.supportedLocalesOf(...parameters);
  }

  segment(input: string): Intl.Segments {
    return this.#own().segment(input);
  }

  resolvedOptions(): Intl.ResolvedSegmenterOptions {
    return this.#own().resolvedOptions();
  }

  #own(): Intl.Segmenter {
    return this.#real ??= new Segmenter(...this.#parameters);
  }
}

Object.defineProperty(Intl, "Segmenter", { value: LateSegmenter });
