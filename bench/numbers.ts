/** Numbers of the command line: a wrong one ends the program with a line that says so. */
import { InvalidArgumentError } from "commander";

/** For `option(flags, description, wholeNumber())`: decimal digits. */
export function wholeNumber(min = 1, max = 2 ** 31 - 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** The same with a fraction. */
export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
  };
}

/** Several whole numbers after commas. */
export function wholeNumbers(min = 1, max = 2 ** 31 - 1): (text: string) => number[] {
  const parse = wholeNumber(min, max);
  return (text) => text.split(",").map(parse);
}
