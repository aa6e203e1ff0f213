// Pub/Sub for tests: Google's own in-memory server (pstest, gRPC) behind the REST paths of Pub/Sub v1.
//
// JSON goes through the protocol's own messages, so names, base64 and defaults are those of the real service.
// `POST /_clock?seconds=N` moves the server's clock: acknowledgement deadlines pass without waiting.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

type service struct {
	publisher  pb.PublisherClient
	subscriber pb.SubscriberClient
	aheadNanos atomic.Int64
}

// HTTP statuses of the codes of gRPC, as google/rpc/code.proto gives them.
var statuses = map[codes.Code]struct {
	http int
	name string
}{
	codes.InvalidArgument:    {400, "INVALID_ARGUMENT"},
	codes.FailedPrecondition: {400, "FAILED_PRECONDITION"},
	codes.Unauthenticated:    {401, "UNAUTHENTICATED"},
	codes.PermissionDenied:   {403, "PERMISSION_DENIED"},
	codes.NotFound:           {404, "NOT_FOUND"},
	codes.AlreadyExists:      {409, "ALREADY_EXISTS"},
	codes.ResourceExhausted:  {429, "RESOURCE_EXHAUSTED"},
	codes.Unavailable:        {503, "UNAVAILABLE"},
	codes.DeadlineExceeded:   {504, "DEADLINE_EXCEEDED"},
}

func (s *service) call(ctx context.Context, method, name, verb string, body []byte) (proto.Message, error) {
	read := func(request proto.Message) error {
		if len(body) == 0 {
			return nil
		}
		if err := protojson.Unmarshal(body, request); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		return nil
	}
	isTopic := strings.Contains(name, "/topics/")
	switch {
	case method == http.MethodPut && isTopic:
		request := &pb.Topic{}
		if err := read(request); err != nil {
			return nil, err
		}
		request.Name = name
		return s.publisher.CreateTopic(ctx, request)
	case method == http.MethodPut:
		request := &pb.Subscription{}
		if err := read(request); err != nil {
			return nil, err
		}
		request.Name = name
		return s.subscriber.CreateSubscription(ctx, request)
	case method == http.MethodGet && !isTopic:
		return s.subscriber.GetSubscription(ctx, &pb.GetSubscriptionRequest{Subscription: name})
	case method == http.MethodPost && verb == "publish":
		request := &pb.PublishRequest{}
		if err := read(request); err != nil {
			return nil, err
		}
		request.Topic = name
		return s.publisher.Publish(ctx, request)
	case method == http.MethodPost && verb == "pull":
		request := &pb.PullRequest{}
		if err := read(request); err != nil {
			return nil, err
		}
		request.Subscription = name
		return s.subscriber.Pull(ctx, request)
	case method == http.MethodPost && verb == "acknowledge":
		request := &pb.AcknowledgeRequest{}
		if err := read(request); err != nil {
			return nil, err
		}
		request.Subscription = name
		return s.subscriber.Acknowledge(ctx, request)
	case method == http.MethodPost && verb == "modifyAckDeadline":
		request := &pb.ModifyAckDeadlineRequest{}
		if err := read(request); err != nil {
			return nil, err
		}
		request.Subscription = name
		return s.subscriber.ModifyAckDeadline(ctx, request)
	}
	return &emptypb.Empty{}, status.Error(codes.NotFound, "no such method")
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if r.URL.Path == "/_clock" {
		seconds, err := strconv.ParseInt(r.URL.Query().Get("seconds"), 10, 64)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.aheadNanos.Add(seconds * int64(time.Second))
		fmt.Fprintln(w, "{}")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	name, verb := path, ""
	if at := strings.LastIndex(path, ":"); at >= 0 {
		name, verb = path[:at], path[at+1:]
	}
	var answer proto.Message
	// A request to acknowledge has 512 KiB at most (cloud.google.com/pubsub/quotas).
	if verb == "acknowledge" && len(body) > 512<<10 {
		err = status.Error(codes.InvalidArgument, "Request payload size exceeds the limit: 524288 bytes.")
	} else {
		answer, err = s.call(r.Context(), r.Method, name, verb, body)
	}
	if err != nil {
		told, known := statuses[status.Code(err)]
		if !known {
			told.http, told.name = 500, "INTERNAL"
		}
		w.WriteHeader(told.http)
		json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
			"code": told.http, "message": status.Convert(err).Message(), "status": told.name,
		}})
		return
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Write(text)
}

func main() {
	s := &service{}
	server := pstest.NewServer()
	server.SetTimeNowFunc(func() time.Time { return time.Now().Add(time.Duration(s.aheadNanos.Load())) })
	conn, err := grpc.NewClient(server.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.publisher, s.subscriber = pb.NewPublisherClient(conn), pb.NewSubscriberClient(conn)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The test reads the addresses (REST, gRPC), and ends this by closing its end of standard input.
	fmt.Println("http://"+listener.Addr().String(), server.Addr)
	go http.Serve(listener, s)
	io.Copy(io.Discard, os.Stdin)
}
