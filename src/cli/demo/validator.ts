/** An independent judge of the demo's values: Ajv, which shares no code with the grammar compiler. */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** Says whether a value is of `schema`. */
export function ajvValidator(schema: unknown): (value: unknown) => boolean {
  const ajv = new Ajv2020({ allErrors: false, strict: false, validateFormats: true });
  addFormats.default(ajv);
  const validate = ajv.compile(schema as object);
  return (value) => validate(value);
}
