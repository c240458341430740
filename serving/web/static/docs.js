// Renders openapi.json as a reference with examples and a form to try each call. No library, no network but this server.
import { element } from "./render.js";

const apis = JSON.parse(document.getElementById("config").textContent).apis;
const reference = document.getElementById("reference");
const toc = document.getElementById("toc");
let base = apis[0].base;
let description;

const pretty = (value) => JSON.stringify(value, null, 2);
const resolve = (schema) => (schema?.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema);

function typeName(schema) {
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeName))].filter((name) => name !== "null").join(" | ");
  const target = resolve(schema);
  if (target.enum) return target.enum.map((one) => `"${one}"`).join(" | ");
  if (target.type === "array") return `list of ${typeName(target.items ?? {})}`;
  if (schema.$ref) return target.title ?? "object";
  return target.format ?? target.type ?? "any";
}

function limits(schema) {
  const parts = [];
  if (schema.minimum !== undefined) parts.push(`≥ ${schema.minimum}`);
  if (schema.maximum !== undefined) parts.push(`≤ ${schema.maximum}`);
  if (schema.maxItems !== undefined) parts.push(`at most ${schema.maxItems}`);
  if (schema.default !== undefined && schema.default !== null) parts.push(`default ${pretty(schema.default)}`);
  return parts.join(", ");
}

function row(name, schema, required, text) {
  const made = element("tr");
  const notes = [text ?? schema.description, limits(schema)].filter(Boolean).join(" · ");
  made.append(element("td", "", name + (required ? "" : "?")), element("td", "", typeName(schema)), element("td", "", notes));
  return made;
}

function table(rows) {
  const scroll = element("div", "scroll");
  const made = element("table");
  made.append(...rows);
  scroll.append(made);
  return scroll;
}

function fieldRows(schema) {
  const target = resolve(schema);
  const object = target.anyOf ? resolve(target.anyOf.map(resolve).find((one) => one.properties)) : target;
  return Object.entries(object?.properties ?? {}).map(([name, field]) => row(name, field, object.required?.includes(name)));
}

function nested(schema, seen = new Set()) {
  const text = pretty(resolve(schema) ?? {});
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (!seen.has(name)) { seen.add(name); nested(description.components.schemas[name], seen); }
  }
  return [...seen].filter((name) => description.components.schemas[name].properties);
}

function fold(title, ...content) {
  const made = element("details");
  const head = element("summary", "", title);
  made.append(head, ...content);
  return made;
}

function answers(operation) {
  return Object.entries(operation.responses).map(([status, answer]) => {
    const content = Object.values(answer.content ?? {})[0];
    const example = content?.example;
    const made = fold("");
    const summary = made.firstChild;
    summary.append(element("span", "status", status), answer.description === "OK" || !example?.error ? answer.description : example.error.code);
    if (example !== undefined) made.append(element("pre", "", typeof example === "string" ? example : pretty(example)));
    return made;
  });
}

function tryForm(path, method, operation) {
  const form = element("form", "try");
  const inputs = element("div", "try-inputs");
  for (const parameter of operation.parameters ?? []) {
    const label = element("label", "", parameter.name);
    const input = element("input");
    input.name = parameter.name;
    input.value = parameter.schema.examples?.[0] ?? parameter.schema.default ?? "";
    label.append(input);
    inputs.append(label);
  }
  const body = operation.requestBody ? element("textarea") : null;
  const example = Object.values(Object.values(operation.requestBody?.content ?? {})[0]?.examples ?? {})[0];
  if (body) { body.value = pretty(example?.value ?? {}); body.setAttribute("aria-label", "Request body"); body.spellcheck = false; }
  const send = element("button", "send", "Send");
  const output = element("pre");
  output.hidden = true;
  form.append(inputs, ...(body ? [body] : []), send, output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = await answer(path, method, operation, form, body);
  });
  return form;
}

async function answer(path, method, operation, form, body) {
  let target = path.slice(1);
  const query = new URLSearchParams();
  for (const parameter of operation.parameters ?? []) {
    const value = form.elements.namedItem(parameter.name).value;
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value !== "") query.set(parameter.name, value);
  }
  const url = base + target + (query.size ? `?${query}` : "");
  const started = performance.now();
  try {
    const response = await fetch(url, { method: method.toUpperCase(), body: body?.value, headers: body ? { "content-type": "application/json" } : {} });
    const text = await response.text();
    const took = (performance.now() - started).toFixed(1);
    return `${response.status} in ${took} ms\n${response.headers.get("content-type")?.includes("json") ? pretty(JSON.parse(text)) : text}`;
  } catch (error) {
    return `no answer: ${error.message}`;
  }
}

function section(path, method, operation) {
  const made = element("section", "operation");
  made.id = operation.operationId;
  const signature = element("p", "signature");
  signature.append(element("span", `method ${method}`, method.toUpperCase()), path);
  made.append(element("h2", "", operation.summary), signature);
  if (operation.description) made.append(prose(operation.description));
  if (operation.parameters?.length) made.append(element("h3", "", "Parameters"), table(operation.parameters.map((one) => row(one.name, one.schema, one.required, one.description))));
  const content = Object.values(operation.requestBody?.content ?? {})[0];
  if (content) made.append(...requestParts(content));
  made.append(element("h3", "", "Answers"), ...answers(operation), fold("Try it", tryForm(path, method, operation)));
  return made;
}

function prose(text) {
  const made = element("p", "description");
  const joined = text.replace(/([^\n])\n(?=[^\n])/g, "$1 ");
  made.append(...joined.split("`").map((part, index) => (index % 2 ? element("code", "", part) : part)));
  return made;
}

function requestParts(content) {
  const inner = nested(content.schema).map((name) => fold(name, table(fieldRows({ $ref: `#/components/schemas/${name}` }))));
  const examples = Object.entries(content.examples ?? {}).map(([name, example]) => fold(`Example: ${name}`, element("pre", "", pretty(example.value))));
  return [element("h3", "", "Request body"), table(fieldRows(content.schema)), ...inner, ...examples];
}

async function show() {
  description = await (await fetch(`${base}openapi.json`)).json();
  const intro = element("div", "intro");
  const link = element("a", "", "openapi.json");
  link.href = `${base}openapi.json`;
  intro.append(element("h1", "", description.info.title), element("p", "", description.info.description), link);
  const operations = Object.entries(description.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [path, method, operation]));
  reference.replaceChildren(intro, ...operations.map((one) => section(...one)));
  toc.replaceChildren(...contents(operations));
}

function contents(operations) {
  let last;
  return operations.flatMap(([, , operation]) => {
    const link = element("a", "", operation.summary);
    link.href = `#${operation.operationId}`;
    const tag = operation.tags?.[0] ?? "";
    const head = tag === last ? [] : [element("p", "", tag)];
    last = tag;
    return [...head, link];
  });
}

if (apis.length > 1) {
  document.querySelector(".api-choice").hidden = false;
  const choice = document.getElementById("api");
  choice.replaceChildren(...apis.map((api) => { const made = element("option", "", api.name); made.value = api.base; return made; }));
  choice.addEventListener("change", () => { base = choice.value; show(); });
}
show().catch((error) => { reference.replaceChildren(element("p", "muted", `The description could not be read: ${error.message}`)); });
