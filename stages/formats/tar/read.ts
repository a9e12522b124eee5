/**
 * Reads tar as keepsake writes it: POSIX ustar headers, with pax records for what does not fit
 * (`docs/format.md`). Whatever else a tar can hold is refused, not interpreted: where two readers
 * could understand an archive in two ways, one of them can be fooled.
 *
 * @module
 */
import {
  BLOCK,
  isZero,
  parsePax,
  parsePaxSize,
  parseType,
  type PaxRecords,
  readMember,
  TarError,
  type TarMember,
} from "./read_header.ts";

/** Is told what stands in the archive, in order. What it throws stops the reading. */
export interface TarVisitor {
  /** A member begins. Nothing of it has been read but its headers. */
  begin(member: TarMember): void;
  /** The next bytes of its content, never none, valid until this returns. */
  data(bytes: Uint8Array): void;
  /** The member ended, its padding too. */
  end(): void;
}

/** Takes an archive in pieces of any length. */
export class TarReader {
  readonly #visitor: TarVisitor;
  /** A header that is spread over pieces, gathered. */
  readonly #block = new Uint8Array(BLOCK);
  #held = 0;
  #content = 0;
  #padding = 0;
  #inMember = false;
  /** Body of a pax header that is being gathered. */
  #body: Uint8Array | undefined;
  #records: PaxRecords | undefined;
  #endBlocks = 0;

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor;
  }

  /**
   * Reads on. Nothing of `bytes` is kept.
   *
   * @throws {TarError} when they cannot stand there in an archive that keepsake wrote.
   */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const there = bytes.length - at;
      if (this.#endBlocks === END_BLOCKS) throw new TarError("bytes stand after its end");
      if (this.#content > 0) {
        const count = Math.min(this.#content, there, PIECE_SIZE);
        at += this.#takeContent(bytes.subarray(at, at + count));
      } else if (this.#padding > 0) {
        const count = Math.min(this.#padding, there);
        if (!isZero(bytes, at, at + count)) throw new TarError("its padding is not empty");
        this.#padding -= count;
        if (this.#padding === 0) this.#endPart();
        at += count;
      } else if (this.#held === 0 && there >= BLOCK) {
        this.#takeBlock(bytes.subarray(at, at + BLOCK));
        at += BLOCK;
      } else {
        const count = Math.min(BLOCK - this.#held, there);
        this.#block.set(bytes.subarray(at, at + count), this.#held);
        this.#held += count;
        at += count;
        if (this.#held === BLOCK) {
          this.#held = 0;
          this.#takeBlock(this.#block);
        }
      }
    }
  }

  /** @throws {TarError} unless all has been read, to the end of the last end block. */
  finish(): void {
    if (this.#endBlocks !== END_BLOCKS) throw new TarError("the archive is cut short");
  }

  #takeContent(bytes: Uint8Array): number {
    if (this.#body) this.#body.set(bytes, this.#body.length - this.#content);
    else this.#visitor.data(bytes);
    this.#content -= bytes.length;
    if (this.#content === 0 && this.#padding === 0) this.#endPart();
    return bytes.length;
  }

  #endPart(): void {
    if (this.#body) {
      this.#records = parsePax(this.#body);
      this.#body = undefined;
    } else if (this.#inMember) {
      this.#inMember = false;
      this.#visitor.end();
    }
  }

  #takeBlock(block: Uint8Array): void {
    if (block[0] === 0 && isZero(block, 0, BLOCK)) {
      if (this.#records) throw new TarError("a pax header stands at the end and describes nothing");
      this.#endBlocks++;
      return;
    }
    if (this.#endBlocks > 0) throw new TarError("it stands after the end of the archive");
    const type = parseType(block);
    if (type === "x") return this.#beginPax(block);
    const member = readMember(block, type, this.#records);
    this.#records = undefined;
    this.#begin(member.size);
    this.#inMember = true;
    this.#visitor.begin(member);
    if (member.size === 0) this.#endPart();
  }

  #beginPax(block: Uint8Array): void {
    if (this.#records) throw new TarError("two pax headers stand in a row");
    const size = parsePaxSize(block);
    this.#begin(size);
    this.#body = new Uint8Array(size);
  }

  #begin(size: number): void {
    this.#content = size;
    this.#padding = (BLOCK - size % BLOCK) % BLOCK;
  }
}

const END_BLOCKS = 2;

/** Bytes that are handed on at a time: once hashed, the processor's cache still has them. */
const PIECE_SIZE = 2 ** 17;
