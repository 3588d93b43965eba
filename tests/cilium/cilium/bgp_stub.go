// Stands in for Cilium's BGP control plane in the tests' build, since the module proxy does not serve its library
// (github.com/osrg/gobgp). Cilium's API server asks for these handlers whether BGP is used or not.
package cmd

import (
	"github.com/cilium/hive/cell"
	"github.com/go-openapi/runtime/middleware"

	"github.com/cilium/cilium/api/v1/server/restapi/bgp"
)

const withoutBGP = "built without BGP"

var bgpStubCell = cell.Provide(
	func() bgp.GetBgpPeersHandler {
		return bgp.GetBgpPeersHandlerFunc(func(bgp.GetBgpPeersParams) middleware.Responder {
			return middleware.NotImplemented(withoutBGP)
		})
	},
	func() bgp.GetBgpRoutesHandler {
		return bgp.GetBgpRoutesHandlerFunc(func(bgp.GetBgpRoutesParams) middleware.Responder {
			return middleware.NotImplemented(withoutBGP)
		})
	},
	func() bgp.GetBgpRoutePoliciesHandler {
		return bgp.GetBgpRoutePoliciesHandlerFunc(func(bgp.GetBgpRoutePoliciesParams) middleware.Responder {
			return middleware.NotImplemented(withoutBGP)
		})
	},
)
