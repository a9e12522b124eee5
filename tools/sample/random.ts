/**
 * Chance that can be repeated: the same seed gives the same choices on every machine.
 *
 * @module
 */

/** A source of repeatable choices (the sfc32 generator). */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed, 0x85ebca6b) | 0;
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** 32 bits, as a whole number that is not negative. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number from 0 up to, not including, 1. */
  fraction(): number {
    return this.bits() / 0x100000000;
  }

  /** A whole number between two bounds, both allowed. */
  between(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  /** True so often: `chance(0.25)` once in four. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of some things. */
  pick<T>(things: readonly T[]): T {
    const thing = things[Math.floor(this.fraction() * things.length)];
    if (thing === undefined) throw new RangeError("Cannot pick from nothing");
    return thing;
  }

  /** A rank below `count`; low ranks come far more often, as words do in a text. */
  rank(count: number): number {
    return Math.floor(count ** this.fraction()) - 1;
  }

  /** Hexadecimal digits. */
  hex(digits: number): string {
    let text = "";
    while (text.length < digits) text += this.bits().toString(16).padStart(8, "0");
    return text.slice(0, digits);
  }

  /** A version 4 UUID. */
  uuid(): string {
    const digits = this.hex(32);
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${
      digits.slice(17, 20)
    }-${digits.slice(20)}`;
  }

  /** Letters and digits, as in the ids of messages and requests. */
  token(length: number): string {
    let text = "";
    while (text.length < length) {
      let bits = this.bits();
      for (let i = 0; i < 5; i++) {
        text += TOKEN_ALPHABET.charAt(bits & 63);
        bits >>>= 6;
      }
    }
    return text.slice(0, length);
  }
}

const TOKEN_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzXY";
