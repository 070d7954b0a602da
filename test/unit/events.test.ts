import { expect, test } from '@jest/globals';
import { Events } from '../../lib/core/events.ts';

interface Map {
  opened: { readonly id: number };
  closed: { readonly id: number; readonly why: string };
}

test('listeners hear their event, and all listeners hear every event with its name', () => {
  const events = new Events<Map>();
  const heard: unknown[] = [];
  events.on('opened', ({ id }) => heard.push(id));
  events.onAny((name, event) => heard.push([name, event]));
  events.emit('opened', { id: 1 });
  events.emit('closed', { id: 2, why: 'idle' });
  expect(heard).toEqual([1, ['opened', { id: 1 }], ['closed', { id: 2, why: 'idle' }]]);
});

test('a disposed listener hears nothing more; disposing twice is harmless', () => {
  const events = new Events<Map>();
  const heard: number[] = [];
  const off = events.on('opened', ({ id }) => heard.push(id));
  const offAll = events.onAny(() => heard.push(0));
  events.emit('opened', { id: 1 });
  off[Symbol.dispose]();
  offAll[Symbol.dispose]();
  off[Symbol.dispose]();
  events.emit('opened', { id: 2 });
  expect(heard).toEqual([1, 0]);
});

test('what a listener throws reaches neither the emitter nor the other listeners', () => {
  const events = new Events<Map>();
  const heard: number[] = [];
  events.on('opened', () => {
    throw new Error('a broken metric');
  });
  events.on('opened', ({ id }) => heard.push(id));
  events.onAny(() => {
    throw new Error('a broken log');
  });
  expect(() => events.emit('opened', { id: 1 })).not.toThrow();
  expect(heard).toEqual([1]);
});

test('a listener may take itself away while it is called', () => {
  const events = new Events<Map>();
  const heard: string[] = [];
  const first = events.on('opened', () => {
    heard.push('first');
    first[Symbol.dispose]();
  });
  events.on('opened', () => heard.push('second'));
  events.emit('opened', { id: 1 });
  events.emit('opened', { id: 2 });
  expect(heard).toEqual(['first', 'second', 'second']);
});
