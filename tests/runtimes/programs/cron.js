/** A worker beside the edge entry in workerd: a request to it is a turn of the schedule. */
export default {
  async fetch(_request, env) {
    const { outcome } = await env.EDGE.scheduled({ cron: "* * * * *", scheduledTime: new Date() });
    return Response.json({ outcome });
  },
};
