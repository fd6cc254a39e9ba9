// Package web is signet's HTTP kit: routes as data, the middleware that follows from a route's class, client address,
// request id, flat parameters, problem details, rate limits, health and metrics. It owns no endpoint and knows no
// protocol; the rooms give it Routes.
//
//	conn ─▶ NewServer (timeouts, header limits, connection cap)
//	          └─▶ New: request id, address, security headers
//	                └─▶ exact path ─▶ method ─▶ rate class ─▶ CORS ─▶ body limit, deadline ─▶ Handler
//	                      │ 404          │ 405       │ 429                   │ 413
//	                      └── one event line and one metric for each request, whatever the end
//
//	class        cache      CORS may be   body      deadline
//	page         no-store   none          64 KiB    10 s
//	token        no-store   client        64 KiB    5 s
//	api          no-store   client        256 KiB   10 s
//	public-json  handler's  public        none      5 s
//	asset        handler's  none          none      10 s
//	ops          no-store   none          none      10 s
//
// A path is served only as it is registered: no cleaning, no letter folding, no redirect to a slash, no encoded twin
// (/%74oken is not /token). Path variables are read by r.PathValue.
package web
