/** Finds what Lua itself would only find at run time: unknown globals, and locals that nobody uses. */
import luaparse, { type Node as LuaNode } from 'luaparse';
import type { Problem } from './problem.ts';

/** A piece of a script: pieces are joined with newlines, and the locals of one are visible in those after it. */
export interface Piece {
  readonly file: string;
  readonly text: string;
}

const GLOBALS: ReadonlySet<string> = new Set(
  'redis KEYS ARGV struct cmsgpack math string table tonumber tostring ipairs pairs unpack type select'.split(
    ' ',
  ),
);

interface Local {
  readonly name: string;
  readonly line: number;
  readonly isTop: boolean;
  isUsed: boolean;
}

type Scope = Map<string, Local>;

/** As much of a syntax node as the walk looks at. */
interface Node {
  readonly type: string;
  readonly loc?: { readonly start: { readonly line: number } };
  readonly name?: string;
  readonly isLocal?: boolean;
  readonly base?: unknown;
  readonly body?: unknown;
  readonly condition?: unknown;
  readonly end?: unknown;
  readonly identifier?: unknown;
  readonly init?: unknown;
  readonly iterators?: unknown;
  readonly parameters?: unknown;
  readonly start?: unknown;
  readonly step?: unknown;
  readonly value?: unknown;
  readonly variable?: unknown;
  readonly variables?: unknown;
}
interface Finding {
  readonly line: number;
  readonly what: string;
  readonly right: string;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value;
const nodesIn = (value: unknown): Node[] => (Array.isArray(value) ? value : [value]).filter(isNode);
const lineOf = (node: Node): number => node.loc?.start.line ?? 0;

/** One walk over one script: resolves every name, in Lua's own order of declaration and use. */
class Walk {
  readonly locals: Local[] = [];
  readonly findings: Finding[] = [];
  readonly #scopes: Scope[] = [new Map()];

  visit(value: unknown): void {
    for (const node of nodesIn(value)) this.#visitNode(node);
  }

  #visitNode(node: Node): void {
    const visit = this.#visitors[node.type];
    if (visit) visit(node);
    else if (node.body) this.#visitBlock(node);
    else this.visit(Object.values(node).flat());
  }

  /** What declares, assigns or uses a name, or hides one; all other nodes are the sum of their parts. */
  readonly #visitors: Readonly<Record<string, (node: Node) => void>> = {
    LocalStatement: (node) => {
      this.visit(node.init);
      this.#declare(node.variables);
    },
    FunctionDeclaration: (node) => {
      if (node.isLocal) this.#declare(node.identifier);
      else this.#assign(node.identifier);
      this.#inScope(node.parameters, node.body);
    },
    ForNumericStatement: (node) => {
      this.visit([node.start, node.end, node.step]);
      this.#inScope(node.variable, node.body);
    },
    ForGenericStatement: (node) => {
      this.visit(node.iterators);
      this.#inScope(node.variables, node.body);
    },
    RepeatStatement: (node) => this.#inScope([], [...nodesIn(node.body), ...nodesIn(node.condition)]),
    AssignmentStatement: (node) => {
      this.visit(node.init);
      this.#assign(node.variables);
    },
    Identifier: (node) => this.#use(node),
    MemberExpression: (node) => this.visit(node.base),
    TableKeyString: (node) => this.visit(node.value),
  };

  #visitBlock(node: Node): void {
    this.visit(node.condition);
    this.#inScope([], node.body);
  }

  #inScope(parameters: unknown, body: unknown): void {
    this.#scopes.push(new Map());
    this.#declare(parameters);
    this.visit(body);
    this.#scopes.pop();
  }

  #declare(names: unknown): void {
    for (const node of nodesIn(names).filter(({ type }) => type === 'Identifier')) {
      const local = {
        name: node.name ?? '',
        line: lineOf(node),
        isTop: this.#scopes.length === 1,
        isUsed: false,
      };
      this.#scopes.at(-1)?.set(local.name, local);
      this.locals.push(local);
    }
  }

  #assign(targets: unknown): void {
    for (const node of nodesIn(targets)) {
      const { name = '' } = node;
      if (node.type !== 'Identifier') this.visit(node);
      else if (!this.#find(name)) this.#note(node, `assigns to the global "${name}"`, `local ${name}`);
    }
  }

  #use(node: Node): void {
    const { name = '' } = node;
    const local = this.#find(name);
    if (local) local.isUsed = true;
    else if (!GLOBALS.has(name))
      this.#note(node, `reads the unknown global "${name}"`, 'a declared local or a global of Redis');
  }

  #find(name: string): Local | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name);
  }

  #note(node: Node, what: string, right: string): void {
    this.findings.push({ line: lineOf(node), what, right });
  }
}

const syntaxProblem = ({ file, text }: Piece): Problem[] => {
  try {
    luaparse.parse(text, { luaVersion: '5.1' });
    return [];
  } catch (error) {
    const [, line, what] = /^\[(\d+):\d+\] (.*)$/s.exec(String((error as Error).message)) ?? [];
    return [{ file, line: Number(line ?? 1), what: what ?? String(error), right: 'Lua 5.1' }];
  }
};

/** The file and line that a line of the joined script came from. */
const originOf = (pieces: readonly Piece[], line: number): { file: string; line: number } => {
  let first = 1;
  for (const { file, text } of pieces) {
    const count = text.split('\n').length;
    if (line < first + count) return { file, line: line - first + 1 };
    first += count;
  }
  return { file: pieces.at(-1)?.file ?? '', line };
};

const walkOver = (pieces: readonly Piece[]): Walk => {
  const chunk: LuaNode = luaparse.parse(pieces.map(({ text }) => text).join('\n'), {
    luaVersion: '5.1',
    locations: true,
  });
  const walk = new Walk();
  walk.visit('body' in chunk ? chunk.body : []);
  return walk;
};

const keyOf = ({ file, line }: { file: string; line: number }, name: string): string =>
  `${file}:${line} ${name}`;

/**
 * Checks scripts, each the pieces that make it up. A local at the top of a piece has to be of use in some script; and a script
 * names no piece of which it uses nothing.
 */
export const lintLua = (scripts: readonly (readonly Piece[])[]): Problem[] => {
  const broken = [...new Map(scripts.flat().map((piece) => [piece.file, piece])).values()].flatMap(
    syntaxProblem,
  );
  if (broken.length > 0) return broken;
  const problems = new Map<string, Problem>();
  const used = new Set<string>();
  const add = (problem: Problem): void =>
    void problems.set(`${problem.file}:${problem.line}:${problem.what}`, problem);
  const walks = scripts.map((pieces) => ({ pieces, walk: walkOver(pieces) }));
  for (const { pieces, walk } of walks)
    for (const local of walk.locals)
      if (local.isUsed && local.isTop) used.add(keyOf(originOf(pieces, local.line), local.name));
  for (const { pieces, walk } of walks) {
    for (const { line, ...rest } of walk.findings) add({ ...originOf(pieces, line), ...rest });
    for (const local of walk.locals) {
      const origin = originOf(pieces, local.line);
      if (local.name.startsWith('_') || local.isUsed || used.has(keyOf(origin, local.name))) continue;
      add({ ...origin, what: `the local "${local.name}" is never used`, right: 'remove it, or call it _' });
    }
  }
  return [...problems.values()];
};
