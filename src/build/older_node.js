// What Node 20, whose package manager may be all that a person has, does not know yet.
import "core-js/actual/map/group-by.js";
import "core-js/actual/promise/with-resolvers.js";
import "core-js/actual/set/intersection.js";
