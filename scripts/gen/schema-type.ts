/** A JSON schema as swagger 2.0 writes it; only the keys that the generator reads. */
export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  enum?: (string | number)[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  pattern?: string;
  "x-nullable"?: boolean;
}

/** The definition a `$ref` points to. */
export const refName = (ref: string): string => ref.replace("#/definitions/", "");

/** The TypeScript text of a schema. Optional properties accept null: Go clients send it for every empty field. */
export function typeOf(schema: Schema | undefined): string {
  if (!schema) return "unknown";
  if (schema.$ref) return refName(schema.$ref);
  if (schema.allOf) return schema.allOf.map((part) => wrap(typeOf(part))).join(" & ");
  if (schema.enum && schema.type === "string") {
    return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  }
  switch (schema.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return `${wrap(typeOf(schema.items))}[]`;
    default:
      return objectType(schema);
  }
}

function objectType(schema: Schema): string {
  if (schema.properties) return `{\n${properties(schema)}}`;
  if (schema.additionalProperties && schema.additionalProperties !== true) {
    const value = typeOf(schema.additionalProperties);
    return `Record<string, ${value}${schema.additionalProperties["x-nullable"] ? " | null" : ""}>`;
  }
  return schema.type === "object" ? "Record<string, unknown>" : "unknown";
}

/** The members of an object schema, a line each. */
export function properties(schema: Schema): string {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {})
    .map(([name, value]) => {
      const key = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
      const type = wrap(typeOf(value), "|");
      if (required.has(name)) return `  ${key}: ${type}${value["x-nullable"] ? " | null" : ""};\n`;
      return `  ${key}?: ${type} | null | undefined;\n`;
    })
    .join("");
}

const wrap = (type: string, sign = "[|&]"): string =>
  new RegExp(` ${sign === "|" ? "&" : sign} `).test(type) && !type.startsWith("{") ? `(${type})` : type;
