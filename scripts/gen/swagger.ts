import type { Schema } from "./schema-type.ts";

/** The parts of a swagger 2.0 document that the generator reads. */
export interface Swagger {
  definitions: Record<string, Schema>;
  paths: Record<string, Record<string, SwaggerOperation>>;
}

export interface SwaggerOperation {
  operationId: string;
  tags?: string[];
  parameters?: SwaggerParameter[];
  responses: Record<string, { schema?: Schema }>;
}

export interface SwaggerParameter extends Schema {
  name: string;
  in: "path" | "query" | "header" | "body";
  required?: never;
  schema?: Schema;
  collectionFormat?: string;
}
