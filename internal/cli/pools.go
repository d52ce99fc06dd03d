package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

func poolsCommand(home *homeFlag) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "pools HOST",
		Short: "List the resource pools of a host: limits, reservations, use",
		Long: `Lists the resource pools that were set on a host or have machines there. Limits and reservations are this host's part of what the
namespace has on all hosts. CPU time is what the pool has used since its cgroup was
made, and THROTTLED in how many of the periods that it ran in it used up its limit.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, l, err := home.load()
			if err != nil {
				return err
			}
			list, err := getPools(cmd.Context(), in, l, args[0])
			if err != nil {
				return err
			}
			if output.format == "json" {
				data, err := protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true}.Marshal(list)
				fmt.Fprintln(cmd.OutOrStdout(), string(data))
				return err
			}
			return output.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) { writePools(w, list) })
		},
	}
	output.add(cmd)
	return cmd
}

func getPools(ctx context.Context, in instance.Instance, l layout.Layout, host string) (*hostv1.ListPoolsResponse, error) {
	return askHostd(in, l, host, "resource pools", func(conn *grpc.ClientConn) (*hostv1.ListPoolsResponse, error) {
		return hostv1.NewPoolsClient(conn).ListPools(ctx, &hostv1.ListPoolsRequest{})
	})
}

func writePools(w *tabwriter.Writer, list *hostv1.ListPoolsResponse) {
	fmt.Fprintln(w, "POOL\tMACHINES\tCPU LIMIT\tCPU RESERVED\tCPU TIME\tTHROTTLED\tMEMORY LIMIT\tMEMORY RESERVED\tMEMORY USED")
	for _, s := range list.GetPools() {
		p := s.GetPool()
		fmt.Fprintf(w, "%s\t%d\t%s\t%d MHz\t%.1f s\t%s\t%s\t%s\t%s\n", p.GetPath(), s.GetMachines(),
			limitText(p.CpuLimitMhz, func(n uint64) string { return fmt.Sprintf("%d MHz", n) }), p.GetCpuReservationMhz(),
			float64(s.GetUsage().GetCpuNanoseconds())/1e9, percent(s.GetPeriodsThrottled(), s.GetPeriods()),
			limitText(p.MemoryLimitBytes, mebibytes), mebibytes(max(s.GetMemoryReservedBytes(), p.GetMemoryReservationBytes())), mebibytes(s.GetUsage().GetMemoryBytes()))
	}
}

func limitText(limit *uint64, text func(uint64) string) string {
	if limit == nil {
		return "none"
	}
	return text(*limit)
}

func mebibytes(bytes uint64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

func percent(part, of uint64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", 100*part/of)
}
