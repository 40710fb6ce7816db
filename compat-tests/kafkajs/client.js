// The checks of kafkajs; prints "OK name" for each. See harness.Dialogue.
const path = require('path');
const readline = require('readline');
const { Kafka, CompressionTypes, ConfigResourceTypes, Partitioners, logLevel } = require(path.join(process.argv[2], 'node_modules', 'kafkajs'));

const kafka = new Kafka({
  clientId: 'checks', brokers: [process.env.BROKER], logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 100 },
});
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ok = (name) => console.log('OK ' + name);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const check = (condition, what) => {
  if (!condition) throw new Error(what);
};

async function until(condition, what, seconds = 60) {
  for (let i = 0; i < seconds * 50; i++) {
    if (await condition()) return;
    await sleep(20);
  }
  throw new Error('did not come true: ' + what);
}

const messages = (prefix, n) =>
  Array.from({ length: n }, (_, i) => ({ key: 'k' + i, value: `${prefix}-${i}`, headers: { n: String(i) } }));

async function create(topic, partitions, configEntries = []) {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }] });
  await admin.disconnect();
}

async function producer(options = {}) {
  const p = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options });
  await p.connect();
  return p;
}

// member joins a group and keeps what it reads in `seen`; committed follows each message.
async function member(groupId, topic, seen, onMessage = () => {}) {
  const c = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 300, maxWaitTimeInMs: 100, rebalanceTimeout: 10000 });
  const state = { consumer: c, assigned: 0 };
  c.on(c.events.GROUP_JOIN, (e) => {
    state.assigned = (e.payload.memberAssignment[topic] || []).length;
  });
  await c.connect();
  await c.subscribe({ topic, fromBeginning: true });
  await c.run({
    autoCommit: true, autoCommitThreshold: 1,
    eachMessage: async ({ message }) => {
      seen.add(message.value.toString());
      onMessage(message);
    },
  });
  return state;
}

async function codecs() {
  for (const [name, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
    const topic = 'codec-' + name;
    await create(topic, 1);
    const p = await producer();
    await p.send({ topic, compression, messages: messages(name, 300) });
    await p.disconnect();
    const seen = new Set();
    let next = 0;
    const m = await member('reader-' + name, topic, seen, (message) => {
      check(Number(message.offset) === next && message.headers.n.toString() === String(next), 'message ' + next);
      next++;
    });
    await until(() => seen.size === 300, '300 messages');
    await m.consumer.disconnect();
  }
  ok('codecs');
}

async function idempotence() {
  await create('idempotent', 2);
  const p = await producer({ idempotent: true, maxInFlightRequests: 1 });
  for (let i = 0; i < 10; i++) await p.send({ topic: 'idempotent', acks: -1, messages: messages('v' + i, 20) });
  await p.disconnect();
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets('idempotent');
  check(offsets.reduce((sum, o) => sum + Number(o.high), 0) === 200, 'end offsets ' + JSON.stringify(offsets));
  await admin.disconnect();
  ok('idempotence');
}

async function group() {
  await create('shared', 6);
  const p = await producer();
  const seen = new Set();
  const one = await member('sharing', 'shared', seen);
  await p.send({ topic: 'shared', messages: messages('early', 200) });
  await until(() => seen.size === 200 && one.assigned === 6, 'one member reads everything');
  const two = await member('sharing', 'shared', seen);
  await until(() => one.assigned === 3 && two.assigned === 3, 'the members share the partitions');
  await p.send({ topic: 'shared', messages: messages('middle', 200) });
  await until(() => seen.size === 400, 'two members read everything');
  await one.consumer.disconnect();
  await until(() => two.assigned === 6, 'the member that stays takes over');
  await two.consumer.disconnect();
  await p.send({ topic: 'shared', messages: messages('resumed', 50) });
  const again = new Set();
  const three = await member('sharing', 'shared', again);
  await until(() => again.size === 50, '50 new messages');
  check([...again].every((v) => v.startsWith('resumed')), 'read again');
  await three.consumer.disconnect();
  await p.disconnect();
  ok('group');
}

async function administration() {
  await create('managed', 2, [{ name: 'retention.ms', value: '100000' }]);
  const admin = kafka.admin();
  await admin.connect();
  check((await admin.listTopics()).includes('managed'), 'listed');
  const described = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'managed', configNames: ['retention.ms'] }] });
  check(described.resources[0].configEntries[0].configValue === '100000', 'config');
  await admin.createPartitions({ topicPartitions: [{ topic: 'managed', count: 3 }] });
  await until(async () => (await admin.fetchTopicMetadata({ topics: ['managed'] })).topics[0].partitions.length === 3, 'three partitions');
  check((await admin.listGroups()).groups.some((g) => g.groupId === 'sharing'), 'group listed');
  check((await admin.describeGroups(['sharing'])).groups[0].state === 'Empty', 'group described');
  await admin.setOffsets({ groupId: 'sharing', topic: 'managed', partitions: [{ partition: 0, offset: '0' }] });
  await admin.deleteGroups(['sharing']);
  check((await admin.describeCluster()).brokers.length === 1, 'brokers');
  await admin.deleteTopics({ topics: ['managed'] });
  await until(async () => !(await admin.listTopics()).includes('managed'), 'deleted');
  await admin.disconnect();
  ok('admin');
}

async function restarts() {
  await create('restarts', 2);
  const p = await producer();
  const seen = new Set();
  const m = await member('restarting', 'restarts', seen);
  for (const how of ['STOP', 'KILL']) {
    await p.send({ topic: 'restarts', acks: -1, messages: messages('before-' + how, 100) });
    await until(() => seen.has(`before-${how}-99`), 'before ' + how);
    console.log(how);
    await lines.next();
    await p.send({ topic: 'restarts', acks: -1, messages: messages('after-' + how, 100) });
    await until(() => messages('after-' + how, 100).every((x) => seen.has(x.value)), 'after ' + how);
  }
  await m.consumer.disconnect();
  await p.disconnect();
  ok('restarts');
}

(async () => {
  await codecs();
  await idempotence();
  await group();
  await administration();
  await restarts();
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
