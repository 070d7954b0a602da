/** What a TypeScript source imports, mentions and declares: the facts that `tidy` judges. */
import { parseSync } from '@swc/core';

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Leaves nothing behind at run time. */
  readonly isType: boolean;
  /** `export * from`. */
  readonly isBarrel: boolean;
  readonly names: readonly string[];
}

/** A free name (`setTimeout`) or a path of names (`Date.now`), without `globalThis`; `new Date()` stands for itself. */
export interface Mention {
  readonly text: string;
  readonly line: number;
}

export interface Member {
  readonly name: string;
  readonly line: number;
}

export interface Source {
  readonly imports: readonly Import[];
  readonly mentions: readonly Mention[];
  /** Public members of classes that override nothing. */
  readonly members: readonly Member[];
  /** Every property that is read or called, by name. */
  readonly uses: ReadonlySet<string>;
  readonly enums: readonly number[];
  readonly anys: readonly number[];
}

/** As much of a syntax node as the walk looks at; no two node types use one of these names with different meanings. */
interface Node {
  readonly type: string;
  readonly span: { readonly start: number };
  readonly ctxt?: number;
  readonly value?: unknown;
  readonly kind?: string;
  readonly operator?: string;
  readonly typeOnly?: boolean;
  readonly isOverride?: boolean;
  readonly source?: Node | null;
  readonly specifiers?: readonly Node[];
  readonly imported?: Node | null;
  readonly orig?: Node;
  readonly local?: Node;
  readonly argument?: Node;
  readonly arguments?: readonly { readonly expression: Node }[];
  readonly callee?: Node;
  readonly object?: Node;
  readonly property?: Node;
  readonly key?: Node;
  readonly left?: Node;
  readonly right?: Node;
}

const isNode = (value: object): value is Node => 'type' in value && typeof value.type === 'string';

/** Put before the text: it shows where the text starts, and which mark the parser gives to a free name. */
const PROBE = 'globalThis;';

class Walk {
  readonly source = {
    imports: [] as Import[],
    mentions: [] as Mention[],
    members: [] as Member[],
    uses: new Set<string>(),
    enums: [] as number[],
    anys: [] as number[],
  };
  readonly #text: Buffer;
  #start = 0;
  #freeMark: number | undefined;

  constructor(text: string) {
    this.#text = Buffer.from(PROBE + text);
    const { span, body } = parseSync(PROBE + text, {
      syntax: 'typescript',
      target: 'es2023',
    }) as unknown as Node & {
      body: readonly { readonly expression: Node }[];
    };
    this.#start = span.start;
    this.#freeMark = body[0]?.expression.ctxt;
    this.#visit(body.slice(1));
  }

  #visit(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if (isNode(value)) this.#visitors[value.type]?.(value);
    if (isNode(value) && isPlainAssignment(value)) this.#visit([value.left?.object, value.right]);
    else for (const part of Object.values(value)) this.#visit(part);
  }

  readonly #visitors: Readonly<Record<string, (node: Node) => void>> = {
    ImportDeclaration: (node) => this.#addImport(node, node.source),
    ExportNamedDeclaration: (node) => this.#addImport(node, node.source),
    ExportAllDeclaration: (node) => this.#addImport(node, node.source),
    TsImportType: (node) => this.#addImport({ ...node, typeOnly: true }, node.argument),
    TsEnumDeclaration: (node) => void this.source.enums.push(this.#lineOf(node)),
    TsKeywordType: (node) => {
      if (node.kind === 'any') this.source.anys.push(this.#lineOf(node));
    },
    ClassMethod: (node) => this.#addMember(node),
    ClassProperty: (node) => this.#addMember(node),
    KeyValuePatternProperty: (node) => this.#addUse(node.key),
    AssignmentPatternProperty: (node) => this.#addUse(node.key),
    StringLiteral: (node) => this.#addUse(node),
    SuperPropExpression: (node) => this.#addUse(node.property),
    MemberExpression: (node) => {
      this.#addUse(node.property);
      this.#mention(node, dotted(node));
    },
    Identifier: (node) => {
      if (node.ctxt === this.#freeMark) this.#mention(node, String(node.value));
    },
    NewExpression: (node) => {
      if (node.callee?.value === 'Date' && !node.arguments?.length) this.#mention(node, 'new Date()');
    },
    CallExpression: (node) => {
      if (node.callee?.type === 'Import') this.#addImport(node, node.arguments?.[0]?.expression);
    },
  };

  #addImport(node: Node, from: Node | null | undefined): void {
    if (typeof from?.value !== 'string') return;
    const specifiers = node.specifiers ?? [];
    this.source.imports.push({
      specifier: from.value,
      line: this.#lineOf(node),
      isType: node.typeOnly === true,
      isBarrel:
        node.type === 'ExportAllDeclaration' ||
        specifiers.some(({ type }) => type === 'ExportNamespaceSpecifier'),
      names: specifiers.map(({ imported, orig, local }) => String((imported ?? orig ?? local)?.value)),
    });
  }

  #addMember({ key, isOverride, ...node }: Node): void {
    if (key?.type === 'Identifier' && !isOverride) {
      this.source.members.push({ name: String(key.value), line: this.#lineOf(node) });
    }
  }

  #addUse(name: Node | undefined): void {
    if (typeof name?.value === 'string') this.source.uses.add(name.value);
  }

  #mention(node: Node, text: string): void {
    this.source.mentions.push({ text: text.replace(/^globalThis\./, ''), line: this.#lineOf(node) });
  }

  #lineOf({ span }: Node): number {
    return this.#text
      .subarray(0, span.start - this.#start)
      .toString('latin1')
      .split('\n').length;
  }
}

/** `a.b.c` as it is written; what is no name shows as a question mark. */
const dotted = ({ type, value, object, property }: Node): string => {
  if (object && property) return `${dotted(object)}.${dotted(property)}`;
  return type === 'Identifier' ? String(value) : '?';
};

/** `a.b = c` gives `b` a value, but does not use it. */
const isPlainAssignment = (node: Node): boolean =>
  node.type === 'AssignmentExpression' && node.operator === '=' && node.left?.type === 'MemberExpression';

export const parseSource = (text: string): Source => new Walk(text).source;
