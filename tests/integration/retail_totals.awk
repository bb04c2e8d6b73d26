# What the order lines of a shop come to, computed without trove: for the test of `trovectl replay` and
# `trovectl ledger`. Input: rows without quotes in the fields that count (the description may have
# them), one CSV line each. Output, sorted by the caller:
#   invoice NAME captured refunded     of each sale's payment
#   day DATE captured refunded         by the day of the invoice that sells or cancels
#   all invoices lines captured refunded unmatched
# The rule for refunds stands in cmd/trovectl/retail.h.

# The fields before the description and those behind it hold no commas.
function split_row(   n, parts) {
	n = split($0, parts, ",")
	time = parts[1]; invoice = parts[2]; customer = parts[3]; sku = parts[4]
	quantity = parts[n - 2] + 0; price = parts[n - 1] + 0; currency = parts[n]
}

# Civil date of days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
function date_of(days,   era, doe, yoe, doy, mp, d, m, y) {
	days += 719468
	era = int(days / 146097); doe = days - era * 146097
	yoe = int((doe - int(doe / 1460) + int(doe / 36524) - int(doe / 146096)) / 365)
	y = yoe + era * 400
	doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100))
	mp = int((5 * doy + 2) / 153); d = doy - int((153 * mp + 2) / 5) + 1
	m = mp < 10 ? mp + 3 : mp - 9
	return sprintf("%04d-%02d-%02d", m <= 2 ? y + 1 : y, m, d)
}

NR == 1 { next }

{
	split_row()
	if (!(invoice in first)) {
		order[++invoices] = invoice
		first[invoice] = time
		who[invoice] = customer
		money[invoice] = currency
	}
	cancels = invoice ~ /^C/
	if (cancels ? quantity >= 0 : quantity <= 0) next
	line = ++count[invoice]
	skus[invoice, line] = sku
	left[invoice, line] = cancels ? -quantity : quantity
	prices[invoice, line] = price
	total[invoice] += (cancels ? -quantity : quantity) * price
}

# Takes one cancelled line back, from the newest purchase to the oldest.
function take_back(invoice, line,   wanted, price, key, i, from, at, most) {
	wanted = left[invoice, line]; price = prices[invoice, line]
	if (who[invoice] == "" || price == 0) return
	key = who[invoice] SUBSEP money[invoice] SUBSEP skus[invoice, line]
	for (i = bought[key]; i >= 1 && wanted > 0; i--) {
		from = bought_in[key, i]; at = bought_line[key, i]
		most = int((total[from] - refunded[from]) / price)
		if (most > wanted) most = wanted
		if (most > left[from, at]) most = left[from, at]
		left[from, at] -= most
		wanted -= most
		refunded[from] += most * price
		given[invoice] += most * price
	}
}

END {
	for (i = 1; i <= invoices; i++) {
		invoice = order[i]
		if (!total[invoice]) continue
		day = date_of(int(first[invoice] / 86400000))
		days[day] = 1
		if (invoice ~ /^C/) {
			for (line = 1; line <= count[invoice]; line++) take_back(invoice, line)
			day_refunded[day] += given[invoice]
			all_refunded += given[invoice]
			unmatched += total[invoice] - given[invoice]
			continue
		}
		for (line = 1; line <= count[invoice]; line++) {
			if (who[invoice] == "") break
			key = who[invoice] SUBSEP money[invoice] SUBSEP skus[invoice, line]
			bought_in[key, ++bought[key]] = invoice
			bought_line[key, bought[key]] = line
		}
		day_captured[day] += total[invoice]
		captured += total[invoice]
		sales++
		lines += count[invoice]
	}
	for (i = 1; i <= invoices; i++)
		if (order[i] !~ /^C/ && total[order[i]])
			printf "invoice %s %.0f %.0f\n", order[i], total[order[i]], refunded[order[i]]
	for (day in days) printf "day %s %.0f %.0f\n", day, day_captured[day], day_refunded[day]
	printf "all %.0f %.0f %.0f %.0f %.0f\n", sales, lines, captured, all_refunded, unmatched
}
