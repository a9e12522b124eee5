/**
 * Takes words apart again that were put together for a scheduler.
 *
 * @module
 */

/** Words of a line for a POSIX shell, with quotes and backslashes; nothing is expanded. */
export function shellWordsIn(line: string): string[] {
  const words = line.match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/gs) ?? [];
  return words.map((word) =>
    word.replace(
      /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs,
      (_, single?: string, double?: string, escaped?: string) =>
        single ?? double?.replace(/\\(["$`\\])/g, "$1") ?? escaped!,
    )
  );
}

/** Words of a command in a unit of systemd's. */
export function unitWordsIn(command: string): string[] {
  return [...command.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted ?? plain!).replace(/\\(.)|%%|\$\$/g, (found, escaped?: string) => escaped ?? found[0]!)
  );
}

/** Words of a command line, as the C runtime of Windows has them. */
export function windowsWordsIn(line: string): string[] {
  return [...line.matchAll(/"((?:\\+"|[^"])*?(?:\\\\)*)"(?=\s|$)|(\S+)/g)].map((
    [, quoted, plain],
  ) =>
    plain ??
      quoted!.replace(
        /(\\+)("|$)/g,
        (_, slashes: string, quote: string) =>
          slashes.slice(0, Math.floor(slashes.length / 2)) + quote,
      )
  );
}

/** Text of an XML document, as it was before it was escaped. */
export function unescapeXml(text: string): string {
  const characters: Readonly<Record<string, string>> = {
    ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" },
  };
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => characters[name]!);
}
